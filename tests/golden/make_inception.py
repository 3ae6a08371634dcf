#!/usr/bin/env python3
"""Numbers for test_inception.c from an independent implementation: PyTorch, in double precision.

usage: python3 make_inception.py > inception.inc

Inception-v3 in the form that Frechet distances are made with, a sixteenth as wide, written from its description: modules of the names that
torchvision and pytorch-fid give them, batch norm by PyTorch's own function. No weight is stored: both sides compute them from a hash of the
name and the index. Kept are names and shapes of all weights, and the features of two colour pictures and of two grey ones.
"""
import math
import torch
import torch.nn.functional as F

NARROW = 16
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


shapes = []


def f32(x):
    return x.float().double()


class Conv(torch.nn.Module):
    """BasicConv2d: convolution without bias, batch norm, ReLU."""

    def __init__(self, filters, kernel, stride=1, padding=0):
        super().__init__()
        self.filters, self.kernel, self.stride, self.padding = filters // NARROW, kernel, stride, padding

    def forward(self, x):
        kh, kw = self.kernel if isinstance(self.kernel, tuple) else (self.kernel, self.kernel)
        shape, n = (self.filters, x.shape[1], kh, kw), self.filters
        if not hasattr(self, "weight"):
            shapes.append((self.name, shape))
            self.weight = f32(numbers(shape, seed_of(self.name + ".conv.weight")) * math.sqrt(6 / math.prod(shape[1:])))
            self.gamma = f32(1 + numbers((n,), seed_of(self.name + ".bn.weight")) / 4)
            self.beta = f32(numbers((n,), seed_of(self.name + ".bn.bias")) / 8)
            self.mean = f32(numbers((n,), seed_of(self.name + ".bn.running_mean")) / 8)
            self.variance = f32(1 + numbers((n,), seed_of(self.name + ".bn.running_var")) / 2)
        x = F.conv2d(x, self.weight, stride=self.stride, padding=self.padding)
        return F.relu(F.batch_norm(x, self.mean, self.variance, self.gamma, self.beta, eps=0.001))


def average(x):
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def maximum(x):
    return F.max_pool2d(x, 3, stride=1, padding=1)


class A(torch.nn.Module):
    def __init__(self, pool):
        super().__init__()
        self.branch1x1 = Conv(64, 1)
        self.branch5x5_1, self.branch5x5_2 = Conv(48, 1), Conv(64, 5, padding=2)
        self.branch3x3dbl_1, self.branch3x3dbl_2, self.branch3x3dbl_3 = Conv(64, 1), Conv(96, 3, padding=1), Conv(96, 3, padding=1)
        self.branch_pool = Conv(pool, 1)

    def forward(self, x):
        return torch.cat([self.branch1x1(x), self.branch5x5_2(self.branch5x5_1(x)),
                          self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))), self.branch_pool(average(x))], 1)


class B(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.branch3x3 = Conv(384, 3, stride=2)
        self.branch3x3dbl_1, self.branch3x3dbl_2, self.branch3x3dbl_3 = Conv(64, 1), Conv(96, 3, padding=1), Conv(96, 3, stride=2)

    def forward(self, x):
        return torch.cat([self.branch3x3(x), self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))), F.max_pool2d(x, 3, stride=2)], 1)


class C(torch.nn.Module):
    def __init__(self, c):
        super().__init__()
        wide, tall = dict(kernel=(1, 7), padding=(0, 3)), dict(kernel=(7, 1), padding=(3, 0))
        self.branch1x1 = Conv(192, 1)
        self.branch7x7_1, self.branch7x7_2, self.branch7x7_3 = Conv(c, 1), Conv(c, **wide), Conv(192, **tall)
        self.branch7x7dbl_1, self.branch7x7dbl_2, self.branch7x7dbl_3 = Conv(c, 1), Conv(c, **tall), Conv(c, **wide)
        self.branch7x7dbl_4, self.branch7x7dbl_5 = Conv(c, **tall), Conv(192, **wide)
        self.branch_pool = Conv(192, 1)

    def forward(self, x):
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        return torch.cat([self.branch1x1(x), self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x))),
                          self.branch7x7dbl_5(self.branch7x7dbl_4(twice)), self.branch_pool(average(x))], 1)


class D(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.branch3x3_1, self.branch3x3_2 = Conv(192, 1), Conv(320, 3, stride=2)
        self.branch7x7x3_1, self.branch7x7x3_2 = Conv(192, 1), Conv(192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3, self.branch7x7x3_4 = Conv(192, (7, 1), padding=(3, 0)), Conv(192, 3, stride=2)

    def forward(self, x):
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([self.branch3x3_2(self.branch3x3_1(x)), seven, F.max_pool2d(x, 3, stride=2)], 1)


class E(torch.nn.Module):
    def __init__(self, pool):
        super().__init__()
        wide, tall = dict(kernel=(1, 3), padding=(0, 1)), dict(kernel=(3, 1), padding=(1, 0))
        self.pool, self.branch1x1 = pool, Conv(320, 1)
        self.branch3x3_1, self.branch3x3_2a, self.branch3x3_2b = Conv(384, 1), Conv(384, **wide), Conv(384, **tall)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Conv(448, 1), Conv(384, 3, padding=1)
        self.branch3x3dbl_3a, self.branch3x3dbl_3b = Conv(384, **wide), Conv(384, **tall)
        self.branch_pool = Conv(192, 1)

    def forward(self, x):
        one, twice = self.branch3x3_1(x), self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        return torch.cat([self.branch1x1(x), self.branch3x3_2a(one), self.branch3x3_2b(one), self.branch3x3dbl_3a(twice),
                          self.branch3x3dbl_3b(twice), self.branch_pool(self.pool(x))], 1)


class Inception(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.Conv2d_1a_3x3, self.Conv2d_2a_3x3 = Conv(32, 3, stride=2), Conv(32, 3)
        self.Conv2d_2b_3x3 = Conv(64, 3, padding=1)
        self.Conv2d_3b_1x1, self.Conv2d_4a_3x3 = Conv(80, 1), Conv(192, 3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = A(32), A(64), A(64)
        self.Mixed_6a = B()
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = C(128), C(160), C(160), C(192)
        self.Mixed_7a = D()
        self.Mixed_7b, self.Mixed_7c = E(average), E(maximum)
        for name, module in self.named_modules():
            module.name = name

    def forward(self, x):
        x = F.interpolate(x, size=(299, 299), mode="bilinear", align_corners=False) * 2 - 1
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, stride=2)))
        x = F.max_pool2d(x, 3, stride=2)
        for block in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"):
            x = getattr(self, "Mixed_" + block)(x)
        return F.adaptive_avg_pool2d(x, (1, 1)).flatten(1)


def pictures(count, height, width, channels, seed):
    """(count, channels, height, width) in 0..1, numbered in Figment's order, channels last."""
    return ((numbers((count, height, width, channels), seed) + 1) / 2).movedim(-1, 1)


def put(name, values):
    print("static const float %s[] = {" % name)
    values = [f"{v:.9g}f" if "." in f"{v:.9g}" or "e" in f"{v:.9g}" else f"{v:.9g}.0f" for v in values.flatten().tolist()]
    for i in range(0, len(values), 8):
        print("    " + ", ".join(values[i:i + 8]) + ",")
    print("};")


with torch.no_grad():
    net = Inception()
    colour = net(pictures(2, 32, 40, 3, 11))
    grey = net(pictures(2, 28, 28, 1, 12).expand(-1, 3, -1, -1))
    large = net(pictures(1, 320, 350, 3, 13))
print("/* made by make_inception.py */")
print("static const struct {\n    const char *name;\n    int shape[4];\n} inception_units[] = {")
for name, shape in shapes:
    print('    { "%s", { %s } },' % (name, ", ".join(map(str, shape))))
print("};")
put("inception_colour", colour)
put("inception_grey", grey)
put("inception_large", large)
