#!/usr/bin/env python3
"""Losses and gradients of one step of listings A and G, from an independent implementation (PyTorch, float64).

Weights, noise and pictures come from a formula that the test repeats (test_dcgan.c), so only results are stored: losses per
example, and of each weight's gradient its norm, its product with another formula vector and its first four elements, in
Figment's layout. A leaky ReLU whose operand is within rounding of zero has no gradient to compare: of some choices of noise and
pictures ("inputs", the keys of their formula) the one is taken whose operands stay farthest from zero. Listing A follows Keras' alignment of "same" padding. Run: ./make_dcgan.py (needs python3-torch).
"""
import os
import numpy as np
import torch
import torch.nn.functional as F

B, Z = 4, 100
torch.set_default_dtype(torch.float64)


def formula(n, key):
    """n numbers in (-1, 1): the 32-bit finaliser of MurmurHash3 over index + key."""
    with np.errstate(over="ignore"):
        h = np.arange(n, dtype=np.uint32) + np.uint32(key * 0x9E3779B9 & 0xFFFFFFFF)
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
            h = (h ^ (h >> np.uint32(shift))) * np.uint32(factor)
    return (h.astype(np.float64) + 0.5) / 2147483648.0 - 1.0


class Net:
    """Weights in Figment's layout and order of declaration; key = place in the list."""

    def __init__(self):
        self.names, self.values = [], []

    def add(self, name, *shape):
        u = formula(int(np.prod(shape)), len(self.names) + 1)
        u = 1 + 0.1 * u if name.endswith("gamma") else 0.06 * u
        t = torch.tensor(u.astype(np.float32).astype(np.float64).reshape(shape), requires_grad=True)
        self.names.append(name)
        self.values.append(t)
        return t

    def norm(self, path, c):
        return self.add(path + ".gamma", c), self.add(path + ".beta", c)


def batch_norm(x, gamma, beta, eps):
    """Over all axes but the last (channels last)."""
    axes = tuple(range(x.dim() - 1))
    m, v = x.mean(axes), x.var(axes, unbiased=False)
    return (x - m) / torch.sqrt(v + eps) * gamma + beta


def conv(x, w, stride, before, after):
    """x (B, H, W, C), w (out, kh, kw, in)."""
    x = F.pad(x.permute(0, 3, 1, 2), (before, after, before, after))
    return F.conv2d(x, w.permute(0, 3, 1, 2), stride=stride).permute(0, 2, 3, 1)


def transposed(x, w, stride, before, after):
    """w (in, kh, kw, out): the full transposed convolution, cropped."""
    y = F.conv_transpose2d(x.permute(0, 3, 1, 2), w.permute(0, 3, 1, 2), stride=stride)
    h = y.shape[2]
    return y[:, :, before:h - after, before:h - after].permute(0, 2, 3, 1)


def listing_a():
    n = Net()
    dense = n.add("generator.linear1.weight", 12544, Z)
    n1 = n.norm("generator.batch_norm1", 12544)
    t1 = n.add("generator.transposed1.weight", 256, 5, 5, 128)
    n2 = n.norm("generator.batch_norm2", 128)
    t2 = n.add("generator.transposed2.weight", 128, 5, 5, 64)
    n3 = n.norm("generator.batch_norm3", 64)
    t3 = n.add("generator.transposed3.weight", 64, 5, 5, 1)
    c1, b1 = n.add("discriminator.conv1.weight", 64, 5, 5, 1), n.add("discriminator.conv1.bias", 64)
    c2, b2 = n.add("discriminator.conv2.weight", 128, 5, 5, 64), n.add("discriminator.conv2.bias", 128)
    d, bd = n.add("discriminator.linear1.weight", 1, 6272), n.add("discriminator.linear1.bias", 1)

    def act(x):
        return F.leaky_relu(x, 0.3)

    def generate(z):
        h = act(batch_norm(z @ dense.T, *n1, 1e-3)).reshape(B, 7, 7, 256)
        h = act(batch_norm(transposed(h, t1, 1, 2, 2), *n2, 1e-3))
        h = act(batch_norm(transposed(h, t2, 2, 1, 2), *n3, 1e-3))
        return torch.tanh(transposed(h, t3, 2, 1, 2))

    def judge(x):
        h = act(conv(x, c1, 2, 1, 2) + b1)
        h = act(conv(h, c2, 2, 1, 2) + b2)
        return (h.reshape(B, -1) @ d.T + bd).reshape(B)

    return n, generate, judge, (28, 28, 1), True


def listing_g():
    n = Net()
    t1 = n.add("generator.transposed1.weight", 100, 4, 4, 256)
    n1 = n.norm("generator.batch_norm1", 256)
    t2 = n.add("generator.transposed2.weight", 256, 4, 4, 128)
    n2 = n.norm("generator.batch_norm2", 128)
    t3 = n.add("generator.transposed3.weight", 128, 4, 4, 64)
    n3 = n.norm("generator.batch_norm3", 64)
    t4 = n.add("generator.transposed4.weight", 64, 4, 4, 3)
    c1 = n.add("discriminator.conv1.weight", 64, 4, 4, 3)
    c2 = n.add("discriminator.conv2.weight", 128, 4, 4, 64)
    m2 = n.norm("discriminator.batch_norm1", 128)
    c3 = n.add("discriminator.conv3.weight", 256, 4, 4, 128)
    m3 = n.norm("discriminator.batch_norm2", 256)
    c4 = n.add("discriminator.conv4.weight", 1, 4, 4, 256)

    def generate(z):
        h = transposed(z.reshape(B, 1, 1, Z), t1, 1, 0, 0)
        h = transposed(torch.relu(batch_norm(h, *n1, 1e-5)), t2, 2, 1, 1)
        h = transposed(torch.relu(batch_norm(h, *n2, 1e-5)), t3, 2, 1, 1)
        return torch.tanh(transposed(torch.relu(batch_norm(h, *n3, 1e-5)), t4, 2, 1, 1))

    def judge(x):
        h = F.leaky_relu(conv(x, c1, 2, 1, 1), 0.2)
        h = F.leaky_relu(batch_norm(conv(h, c2, 2, 1, 1), *m2, 1e-5), 0.2)
        h = F.leaky_relu(batch_norm(conv(h, c3, 2, 1, 1), *m3, 1e-5), 0.2)
        return conv(h, c4, 1, 0, 0).reshape(B)

    return n, generate, judge, (32, 32, 3), False


nearest = [float("inf")]  # of an activation's operands to zero, in parts of their spread


def watched(function):
    def call(x, *rest):
        nearest[0] = min(nearest[0], float(x.detach().abs().min() / x.detach().std()))
        return function(x, *rest)
    return call


F.leaky_relu, torch.relu = watched(F.leaky_relu), watched(torch.relu)


def data(key, scale, *shape):
    u = (scale * formula(int(np.prod(shape)), key)).astype(np.float32).astype(np.float64)
    return torch.tensor(u.reshape(shape))


def losses(listing, inputs):
    net, generate, judge, shape, shared = listing()
    z1, z2 = data(inputs, 1.7, B, Z), data(inputs + 1, 1.7, B, Z)
    real = data(inputs + 2, 1.0, B, *shape)
    nearest[0] = float("inf")
    fake = generate(z1)
    loss_d = F.softplus(-judge(real)) + F.softplus(judge(fake))
    loss_g = F.softplus(-judge(fake if shared else generate(z2)))
    return net, loss_d, loss_g, nearest[0]


def write(path, listing):
    choices = range(1001, 1201, 10)
    with torch.no_grad():
        distance = {inputs: losses(listing, inputs)[3] for inputs in choices}
    inputs = max(choices, key=distance.get)
    print("%s: inputs %d, operands at least %.1e of their spread from zero" % (os.path.basename(path), inputs, distance[inputs]))
    net, loss_d, loss_g, _ = losses(listing, inputs)
    lines = ["inputs %d" % inputs]
    for phase, loss in (("discriminator", loss_d), ("generator", loss_g)):
        lines.append("loss %s %s" % (phase, " ".join("%.9g" % v for v in loss.tolist())))
        picked = [i for i, s in enumerate(net.names) if s.startswith(phase)]
        grads = torch.autograd.grad(loss.mean(), [net.values[i] for i in picked], retain_graph=True)
        for i, g in zip(picked, grads):
            g = g.reshape(-1).numpy()
            dot = float(g @ formula(g.size, 2000 + i))
            first = list(g[:4]) + [0.0] * (4 - len(g[:4]))
            lines.append("gradient %s %d %.9g %.9g %s" % (net.names[i], g.size, np.linalg.norm(g), dot, " ".join("%.9g" % v for v in first)))
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")


here = os.path.dirname(os.path.abspath(__file__))
write(os.path.join(here, "dcgan_a.txt"), listing_a)
write(os.path.join(here, "dcgan_g.txt"), listing_g)
