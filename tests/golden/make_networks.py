#!/usr/bin/env python3
"""Numbers for test_networks.c from an independent implementation: PyTorch, in double precision.

usage: python3 make_networks.py > networks.inc

The networks of figment/layers.h (U-Net, diffusion Transformer, ResNet generator, patch critic) written again with PyTorch's functions. No weight is stored: both
sides compute them from a hash of the name (Figment's) and the index, in Figment's layout. Kept are the output, and per weight and for
the input two numbers of the gradient of sum(output * u): its sum against fixed numbers, and its norm.
"""
import math
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def mix(x):
    x &= 0xFFFFFFFF
    x ^= x >> 16
    x = x * 0x7FEB352D & 0xFFFFFFFF
    x ^= x >> 15
    x = x * 0x846CA68B & 0xFFFFFFFF
    return x ^ x >> 16


def numbers(shape, seed):
    """Values in [-1, 1), exact in single precision."""
    count = math.prod(shape)
    return torch.tensor([(mix(seed * 1000003 + i) >> 8) / 2**23 - 1 for i in range(count)]).reshape(shape)


def seed_of(name):
    h = 2166136261
    for c in name.encode():
        h = (h ^ c) * 16777619 & 0xFFFFFFFF
    return h


def first(x):
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


class Net:
    """Weights by name, made when first asked for: uniform with a deviation that keeps activations near one."""

    def __init__(self, scope):
        self.weights, self.path = {}, [scope]

    def get(self, name, *shape):
        name = ".".join(self.path + [name])
        if name not in self.weights:
            w = numbers(shape, seed_of(name))
            if len(shape) > 1:
                w = w * math.sqrt(3 / math.prod(shape[1:]))
            elif name.endswith("gamma"):
                w = 1 + w / 4
            else:
                w = w / 8
            self.weights[name] = w.requires_grad_()
        return self.weights[name]

    def inside(self, name, function, *args):
        self.path.append(name)
        y = function(*args)
        self.path.pop()
        return y

    def linear(self, x, name, units):
        return self.inside(name, lambda: x @ self.get("weight", units, x.shape[-1]).T + self.get("bias", units))

    def conv(self, x, name, units, k, stride=1, padding=0):
        def run():
            w = self.get("weight", units, k, k, x.shape[-1])
            return last(F.conv2d(first(x), first(w), self.get("bias", units), stride, padding))
        return self.inside(name, run)

    def up(self, x, name, units):
        def run():
            w = self.get("weight", x.shape[-1], 3, 3, units)
            return last(F.conv_transpose2d(first(x), first(w), self.get("bias", units), 2, 1, 1))
        return self.inside(name, run)

    def norm(self, x, name):
        c = x.shape[-1]
        groups = max(g for g in range(1, 33) if c % g == 0)
        return self.inside(name, lambda: last(F.group_norm(first(x), groups, self.get("gamma", c), self.get("beta", c))))


def unet(x, time, width, multipliers, blocks, sides, heads, told=0):
    n = Net("net")
    rate = torch.exp(-math.log(10000) * torch.arange(width // 2) / (width // 2))
    e = time[:, None] * rate
    e = n.linear(torch.cat([e.sin(), e.cos()], 1), "time1", 4 * width)
    e = F.silu(n.linear(F.silu(e), "time2", 4 * width) + told)

    def residual(x, c, name):
        def run():
            h = n.conv(F.silu(n.norm(x, "norm1")), "conv1", c, 3, 1, 1)
            h = h + n.linear(e, "time", c)[:, None, None]
            h = n.conv(F.silu(n.norm(h, "norm2")), "conv2", c, 3, 1, 1)
            return h + (n.conv(x, "project", c, 1) if x.shape[-1] != c else x)
        return n.inside(name, run)

    def look(x, name):
        def run():
            b, h, w, c = x.shape
            t = n.norm(x, "norm").reshape(b, h * w, c)

            def attend():
                q, k, v = (p.transpose(1, 2) for p in n.linear(t, "qkv", 3 * c).reshape(b, h * w, 3, heads, c // heads).unbind(2))
                a = F.softmax(q @ k.transpose(-1, -2) / math.sqrt(c // heads), -1)
                return n.linear((a @ v).transpose(1, 2).reshape(b, h * w, c), "out", c)
            return x + n.inside("attention", attend).reshape(b, h, w, c)
        return n.inside(name, run)

    def stage(x, c, name):
        x = residual(x, c, name)
        return look(x, name + ".look") if x.shape[1] in sides else x

    h = n.conv(x, "in", width, 3, 1, 1)
    kept = [h]
    for level, m in enumerate(multipliers):
        for block in range(blocks):
            h = stage(h, width * m, "down%d_%d" % (level + 1, block + 1))
            kept.append(h)
        if level + 1 < len(multipliers):
            h = n.conv(h, "halve%d" % (level + 1), h.shape[-1], 3, 2, 1)
            kept.append(h)
    h = residual(h, h.shape[-1], "middle1")
    h = residual(look(h, "middle.look"), h.shape[-1], "middle2")
    for level, m in reversed(list(enumerate(multipliers))):
        for block in range(blocks + 1):
            h = stage(torch.cat([h, kept.pop()], -1), width * m, "up%d_%d" % (level + 1, block + 1))
        if level:
            h = last(F.interpolate(first(h), size=kept[-1].shape[1:3], mode="nearest"))
            h = n.conv(h, "double%d" % (level + 1), h.shape[-1], 3, 1, 1)
    return n.conv(F.silu(n.norm(h, "norm")), "out", x.shape[-1], 3, 1, 1), n


def dit(x, time, width, depth, heads, patch, told):
    n = Net("net")
    rate = torch.exp(-math.log(10000) * torch.arange(width // 2) / (width // 2))
    e = time[:, None] * rate
    e = n.linear(torch.cat([e.sin(), e.cos()], 1), "time1", width)
    e = F.silu(n.linear(F.silu(e), "time2", width) + told)
    b, h, w, c = x.shape
    rows, columns = h // patch, w // patch
    t = x.reshape(b, rows, patch, columns, patch, c).permute(0, 1, 3, 2, 4, 5).reshape(b, rows * columns, patch * patch * c)
    t = n.linear(t, "in", width)
    quarter = width // 4
    rate = 10000 ** (-torch.arange(quarter) / quarter)
    for y in range(rows):
        for z in range(columns):
            t[:, y * columns + z] += torch.cat([(y * rate).sin(), (y * rate).cos(), (z * rate).sin(), (z * rate).cos()])

    def norm(t, shift, scale):
        return F.layer_norm(t, (width,), eps=1e-6) * (1 + scale) + shift

    def modulation(count):
        return n.linear(e, "modulation", count * width)[:, None].chunk(count, -1)

    def block():
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation(6)
        k = norm(t, shift1, scale1)

        def attend():
            q, k_, v = (p.transpose(1, 2) for p in n.linear(k, "qkv", 3 * width).reshape(b, -1, 3, heads, width // heads).unbind(2))
            a = F.softmax(q @ k_.transpose(-1, -2) / math.sqrt(width // heads), -1)
            return n.linear((a @ v).transpose(1, 2).reshape(b, -1, width), "out", width)
        u = t + gate1 * n.inside("attention", attend)
        m = F.gelu(n.linear(norm(u, shift2, scale2), "expand", 4 * width), approximate="tanh")
        return u + gate2 * n.linear(m, "contract", width)
    for i in range(depth):
        t = n.inside("block%d" % (i + 1), block)
    shift, scale = modulation(2)
    t = n.linear(norm(t, shift, scale), "out", patch * patch * c)
    return t.reshape(b, rows, columns, patch, patch, c).permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c), n


def instance(x):
    return last(F.instance_norm(first(x)))


def mirrored(n, x, name, units, k):
    return n.conv(last(F.pad(first(x), [k // 2] * 4, mode="reflect")), name, units, k)


def resnet_generator(x, width, blocks):
    n = Net("net")
    h = F.relu(instance(mirrored(n, x, "in", width, 7)))
    h = F.relu(instance(n.conv(h, "halve1", 2 * width, 3, 2, 1)))
    h = F.relu(instance(n.conv(h, "halve2", 4 * width, 3, 2, 1)))
    for i in range(blocks):
        def run(h=h):
            r = F.relu(instance(mirrored(n, h, "conv1", 4 * width, 3)))
            return h + instance(mirrored(n, r, "conv2", 4 * width, 3))
        h = n.inside("residual%d" % (i + 1), run)
    h = F.relu(instance(n.up(h, "double1", 2 * width)))
    h = F.relu(instance(n.up(h, "double2", width)))
    return torch.tanh(mirrored(n, h, "out", x.shape[-1], 7)), n


def patch_critic(x, width):
    n = Net("net")
    h = F.leaky_relu(n.conv(x, "conv1", width, 4, 2, 1), 0.2)
    for i, stride in ((1, 2), (2, 2), (3, 1)):
        h = F.leaky_relu(instance(n.conv(h, "conv%d" % (i + 1), width << i, 4, stride, 1)), 0.2)
    return n.conv(h, "conv5", 1, 4, 1, 1), n


def case(title, shape, run):
    x = numbers(shape, 1).requires_grad_()
    y, net = run(x)
    (y * numbers(tuple(y.shape), 2)).sum().backward()
    print("static const float %s_y[] = {" % title)
    values = ["%.8g" % v for v in y.detach().reshape(-1).tolist()]
    for i in range(0, len(values), 8):
        print("    " + " ".join(v + ("f," if "." in v or "e" in v else ".0f,") for v in values[i:i + 8]))
    print("};\nstatic const gradient %s_d[] = {" % title)
    for name, w in [("x", x)] + sorted(net.weights.items()):
        print('    { "%s", %.8g, %.8g },' % (name, (w.grad * numbers(tuple(w.shape), 3)).sum().item(), w.grad.norm().item()))
    print("    { 0 },\n};")


print("/* Made by make_networks.py with PyTorch in double precision; do not edit. */")
case("unet", (2, 8, 8, 3), lambda x: unet(x, torch.tensor([3.0, 711.0]), 8, (1, 2), 1, (4,), 1))
case("unet_odd", (1, 6, 10, 2), lambda x: unet(x, torch.tensor([40.0]), 6, (1, 3, 2), 2, (6,), 2))
case("unet_told", (2, 4, 4, 2), lambda x: unet(x, torch.tensor([0.0, 500.0]), 4, (1, 2), 1, (), 1, numbers((2, 16), 4)))
case("dit", (2, 4, 6, 3), lambda x: dit(x, torch.tensor([3.0, 711.0]), 8, 2, 2, 2, numbers((2, 8), 4)))
case("resnet", (2, 8, 12, 3), lambda x: resnet_generator(x, 4, 2))
case("critic", (1, 32, 40, 3), lambda x: patch_critic(x, 4))
