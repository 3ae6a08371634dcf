#!/usr/bin/env python3
"""Numbers for test_layers.c from an independent implementation: PyTorch, in double precision.

usage: python3 make_layers.py > layers.inc

Each row is one layer call: its operands' shapes in Figment's layout (channels last), its options, and the expected output and
gradients. Operand values are not stored: both sides compute them from their index (see `numbers`). The loss is the sum of
output * u, with u made like an operand, so the gradients see a different upstream everywhere.

Gradients of gradients: loss 2 is the sum over operands of gradient * v, and its own gradients with respect to the operands and
u are kept as three numbers each: two inner products with fixed vectors, and the norm.
"""
import math
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
arrays, rows = [], []


def mix(x):
    x &= 0xFFFFFFFF
    x ^= x >> 16
    x = x * 0x7FEB352D & 0xFFFFFFFF
    x ^= x >> 15
    x = x * 0x846CA68B & 0xFFFFFFFF
    return x ^ x >> 16


def numbers(shape, seed):
    """Values in [-1, 1), exact in single precision: a hash of (seed, index)."""
    count = math.prod(shape)
    return torch.tensor([(mix(seed * 1000003 + i) >> 8) / 2**23 - 1 for i in range(count)]).reshape(shape)


def first(x):   # channels last -> channels first
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


def store(name, values):
    text, line = [], "   "
    for v in values.reshape(-1).tolist():
        digits = "%.7g" % v
        word = " %s%sf," % (digits, "" if "." in digits or "e" in digits else ".0")
        if len(line) + len(word) > 120:
            text.append(line)
            line = "   "
        line += word
    arrays.append("static const float %s[] = {\n%s\n};" % (name, "\n".join(text + [line])))
    return name


def shape(dims):
    return "SHAPE(%d, %s)" % (len(dims), ", ".join(map(str, dims)))


def summary(g):
    inner = [(g * numbers(tuple(g.shape), seed)).sum().item() for seed in (30, 31)]
    return "{ %.8g, %.8g, %.8g }" % (*inner, g.norm().item())


def case(build, title, shapes, function, **options):
    """function maps the operands to the output; options are printed into the row as C initialisers."""
    name = "n%d" % len(rows)
    operands = [numbers(s, i + 1).requires_grad_() for i, s in enumerate(shapes)]
    y = function(*operands)
    u = numbers(tuple(y.shape), 9).requires_grad_()
    gradients = torch.autograd.grad((y * u).sum(), operands, create_graph=True)
    loss2 = sum((g * numbers(tuple(g.shape), 20 + i)).sum() for i, g in enumerate(gradients))
    second = torch.autograd.grad(loss2, operands + [u], allow_unused=True)
    second = [torch.zeros_like(o) if g is None else g for g, o in zip(second, operands + [u])]
    fields = ['.build = build_%s' % build, '.name = "%s"' % title, '.operands = %d' % len(shapes)]
    dims = ", ".join(map(shape, shapes))
    fields.append(".in = { %s }" % dims)
    fields.append(".y = %s, .shape = %s" % (store(name + "_y", y.detach()), shape(y.shape)))
    slots = [store("%s_d%d" % (name, i), g.detach()) for i, g in enumerate(gradients)]
    fields.append(".gradient = { %s }" % ", ".join(slots))
    fields.append(".second = { %s }" % ", ".join(map(summary, second)))
    for key, value in options.items():
        if isinstance(value, (list, tuple)):
            value = "{ %s }" % ", ".join(map(str, value))
        fields.append(".%s = %s" % (key, value))
    rows.append("    { %s }," % ",\n      ".join(fields))


# -- convolutions ----------------------------------------------------------------------------------------------------------

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
BACK = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def per_axis(value, n):
    return list(value) if isinstance(value, (list, tuple)) else [value] * n


def padding(values):   # a later 0 would repeat axis 0
    return [v if v or i == 0 else "FIG_PAD_NONE" for i, v in enumerate(values)]


def convolution(title, x, w, stride=1, dilation=1, before=0, after=0, groups=1, same=False):
    n = len(x) - 2
    stride, dilation, before, after = (per_axis(v, n) for v in (stride, dilation, before, after))
    if same:   # out = ceil(in / stride), the odd one after
        for i in range(n):
            out = -(-x[i + 1] // stride[i])
            missing = max((out - 1) * stride[i] + dilation[i] * (w[i + 1] - 1) + 1 - x[i + 1], 0)
            before[i], after[i] = missing // 2, missing - missing // 2
    pads = [p for i in reversed(range(n)) for p in (before[i], after[i])]

    def run(a, b):
        return last(CONV[n](F.pad(first(a), pads), first(b), None, stride, 0, dilation, groups))

    case("convolution", title, [x, w], run, stride=stride, dilation=dilation, before=["FIG_PAD_SAME"] if same else padding(before),
         after=[0] if same else padding(after), groups=groups)


def transposed(title, x, w, stride=1, dilation=1, before=0, after=0, groups=1, extra=0, same=False):
    """w is (C_in, kernel..., C_out / groups), as PyTorch's but channels last. The full result is cropped by hand."""
    n = len(x) - 2
    stride, dilation, before, after, extra = (per_axis(v, n) for v in (stride, dilation, before, after, extra))

    def run(a, b):
        full = BACK[n](first(a), first(b), None, stride, 0, 0, groups, dilation)
        for i in range(n):
            size = full.shape[i + 2] - before[i] - after[i] + extra[i]
            start = before[i]
            if same:   # Keras: the padding of the strided "same" convolution, (k - s) // 2 before, the rest after
                size = x[i + 1] * stride[i]
                start = max(dilation[i] * (w[i + 1] - 1) + 1 - stride[i], 0) // 2
            grown = max(start + size - full.shape[i + 2], 0)
            full = F.pad(full, [0] * (2 * (n - 1 - i)) + [0, grown]).narrow(i + 2, start, size)
        return last(full)

    case("transposed", title, [x, w], run, stride=stride, dilation=dilation, before=["FIG_PAD_SAME"] if same else padding(before),
         after=[0] if same else padding(after), groups=groups, extra=extra)


convolution("conv1d", (2, 9, 3), (4, 3, 3))
convolution("conv1d stride 2 dilation 3 asymmetric", (2, 11, 2), (3, 3, 2), 2, 3, 4, 1)
convolution("conv1d causal dilation 4", (1, 12, 2), (2, 2, 2), 1, 4, 4, 0)
convolution("conv2d 3x3", (2, 5, 6, 3), (4, 3, 3, 3), before=1, after=1)
convolution("conv2d 4x4 stride 2 padding 1", (2, 8, 6, 2), (3, 4, 4, 2), 2, before=1, after=1)
convolution("conv2d 5x5 stride 2 same", (1, 8, 7, 2), (3, 5, 5, 2), 2, same=True)
convolution("conv2d 3x3 stride 2 same, odd and even", (1, 6, 7, 1), (2, 3, 3, 1), 2, same=True)
convolution("conv2d 2x2 same", (1, 4, 4, 2), (2, 2, 2, 2), same=True)
convolution("conv2d 1x1", (2, 4, 3, 5), (6, 1, 1, 5))
convolution("conv2d 1x1 stride 2", (1, 5, 5, 3), (2, 1, 1, 3), 2)
convolution("conv2d groups 2", (2, 5, 5, 4), (6, 3, 3, 2), groups=2, before=1, after=1)
convolution("conv2d depthwise stride 2", (2, 7, 7, 4), (4, 3, 3, 1), 2, groups=4, before=1, after=1)
convolution("conv2d depthwise multiplier 2", (1, 5, 5, 3), (6, 3, 3, 1), groups=3)
convolution("conv2d dilation 2, oblong", (1, 9, 7, 2), (2, 3, 2, 2), [1, 2], [2, 3], [2, 1], [1, 2])
convolution("conv2d one channel out", (2, 6, 6, 8), (1, 3, 3, 8), before=1, after=1)
convolution("conv2d rows that no window reaches", (1, 8, 8, 2), (2, 2, 2, 2), 3)
convolution("conv3d", (1, 4, 5, 4, 2), (3, 2, 3, 2, 2), [1, 2, 1], 1, [0, 1, 1], [1, 1, 0])
convolution("conv3d groups 2 dilation 2", (1, 5, 5, 5, 4), (2, 2, 2, 2, 2), 1, 2, groups=2)

transposed("transposed1d k4 s2 p1", (2, 5, 3), (3, 4, 2), 2, 1, 1, 1)
transposed("transposed2d k4 s2 p1", (2, 4, 3, 3), (3, 4, 4, 2), 2, 1, 1, 1)
transposed("transposed2d k5 s2 same", (1, 4, 3, 3), (3, 5, 5, 2), 2, same=True)
transposed("transposed2d k5 s1 same", (1, 4, 5, 2), (2, 5, 5, 3), 1, same=True)
transposed("transposed2d k2 s3 same: kernel below stride", (1, 2, 3, 2), (2, 2, 2, 2), 3, same=True)
transposed("transposed2d k4 s1 p0: from one pixel", (2, 1, 1, 5), (5, 4, 4, 3))
transposed("transposed2d k5 s2 p2 extra 1", (1, 3, 3, 2), (2, 5, 5, 2), 2, 1, 2, 2, extra=1)
transposed("transposed2d groups 2 dilation 2", (1, 3, 4, 4), (4, 3, 3, 1), 2, 2, 1, 1, groups=2)
transposed("transposed2d one channel out", (2, 3, 3, 6), (6, 4, 4, 1), 2, 1, 1, 1)
transposed("transposed3d k3 s2", (1, 2, 3, 2, 2), (2, 3, 3, 3, 2), 2, 1, 1, 1)

# -- pools, resizing -----------------------------------------------------------------------------------------------------------


def max_pool(title, x, size, stride, before=0, after=0):
    n = len(x) - 2
    size, stride, before, after = (per_axis(v, n) for v in (size, stride, before, after))
    pads = [p for i in reversed(range(n)) for p in (before[i], after[i])]
    pool = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[n]
    case("max_pool", title, [x], lambda a: last(pool(F.pad(first(a), pads, value=-math.inf), size, stride)), size=size,
         stride=stride, before=padding(before), after=padding(after))


def average_pool(title, x, size, stride, padding=0):
    n = len(x) - 2
    size, stride, padding = (per_axis(v, n) for v in (size, stride, padding))
    pool = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}[n]
    case("average_pool", title, [x], lambda a: last(pool(first(a), size, stride, padding, count_include_pad=False)), size=size,
         stride=stride, before=padding, after=padding)


max_pool("max_pool2d 2x2", (2, 4, 6, 3), 2, 2)
max_pool("max_pool2d 3x3 stride 2 padding 1", (1, 7, 6, 2), 3, 2, 1, 1)
max_pool("max_pool1d asymmetric", (2, 9, 2), 3, 2, 0, 1)
max_pool("max_pool3d", (1, 4, 4, 4, 2), 2, 2)
average_pool("average_pool2d 2x2", (2, 4, 6, 3), 2, 2)
average_pool("average_pool2d 3x3 stride 2 padding 1", (1, 7, 6, 2), 3, 2, 1)
average_pool("average_pool1d overlapping", (2, 9, 2), 4, 1)
average_pool("average_pool3d", (1, 4, 4, 5, 2), 2, 2)

for mode in ("nearest", "bilinear"):
    extra = {"align_corners": False} if mode == "bilinear" else {}
    for x, to in (((2, 3, 4, 2), (6, 8)), ((1, 3, 5, 2), (7, 4)), ((1, 8, 6, 1), (4, 3)), ((1, 1, 4, 2), (3, 9))):
        case("resize_" + mode, "resize_%s %dx%d to %dx%d" % (mode, *x[1:3], *to), [x],
             lambda a: last(F.interpolate(first(a), size=to, mode=mode, **extra)), size=to)
for x, by in (((2, 4, 5, 3), 1), ((1, 4, 6, 2), 3)):
    case("pad_reflect", "pad_reflect %dx%d by %d" % (*x[1:3], by), [x],
         lambda a: last(F.pad(first(a), [by] * 4, mode="reflect")), size=[by])
case("pad_reflect", "pad_reflect of a sequence by 2", [(2, 5, 3)], lambda a: last(F.pad(first(a), [2, 2], mode="reflect")), size=[2])
case("space_to_depth", "space_to_depth", [(2, 4, 6, 3)],
     lambda a: a.reshape(2, 2, 2, 3, 2, 3).permute(0, 1, 3, 2, 4, 5).reshape(2, 2, 3, 12), size=[2])
case("depth_to_space", "depth_to_space", [(2, 2, 3, 12)],
     lambda a: a.reshape(2, 2, 3, 2, 2, 3).permute(0, 1, 3, 2, 4, 5).reshape(2, 4, 6, 3), size=[2])


def read_between(x, at):   # four corners by hand: the library's own sampler cannot be differentiated twice
    b, h, w, c = x.shape
    place = at * 3
    low = place.detach().floor()
    share = place - low
    y = 0
    for corner in range(4):
        row, column = low[..., 0] + corner // 2, low[..., 1] + corner % 2
        weight = (share[..., 0] if corner // 2 else 1 - share[..., 0]) * (share[..., 1] if corner % 2 else 1 - share[..., 1])
        inside = (row >= 0) & (row < h) & (column >= 0) & (column < w)
        index = (torch.arange(b)[:, None, None] * h + row.clamp(0, h - 1)) * w + column.clamp(0, w - 1)
        y = y + x.reshape(-1, c)[index.long()] * (weight * inside)[..., None]
    return y


case("sample_bilinear", "sample_bilinear, places times 3", [(2, 4, 3, 2), (2, 3, 4, 2)], read_between)

# -- normalisations ------------------------------------------------------------------------------------------------------------

EPS = 1e-5
case("layer_normalise", "layer_normalise", [(2, 3, 7), (7,), (7,)], lambda x, g, b: F.layer_norm(x, (7,), g, b, EPS))
case("layer_normalise", "layer_normalise without gamma and beta", [(4, 6)], lambda x: F.layer_norm(x, (6,), None, None, EPS))
case("group_normalise", "group_normalise 2 groups", [(2, 3, 2, 6), (6,), (6,)],
     lambda x, g, b: last(F.group_norm(first(x), 2, g, b, EPS)), groups=2)
case("group_normalise", "group_normalise 1 group", [(2, 5, 4), (4,), (4,)],
     lambda x, g, b: last(F.group_norm(first(x), 1, g, b, EPS)), groups=1)
case("instance_normalise", "instance_normalise", [(2, 3, 4, 3), (3,), (3,)],
     lambda x, g, b: last(F.instance_norm(first(x), None, None, g, b, True, 0.1, EPS)))
case("batch_normalise", "batch_normalise 2-D", [(6, 5), (5,), (5,)],
     lambda x, g, b: F.batch_norm(x, None, None, g, b, True, 0.1, EPS))
case("batch_normalise", "batch_normalise 4-D", [(3, 2, 3, 4), (4,), (4,)],
     lambda x, g, b: last(F.batch_norm(first(x), None, None, g, b, True, 0.1, EPS)))
case("rms_normalise", "rms_normalise", [(3, 2, 5), (5,)], lambda x, g: x * torch.rsqrt((x * x).mean(-1, True) + EPS) * g)

# -- softmax, losses, attention ---------------------------------------------------------------------------------------------------

case("softmax", "softmax", [(3, 7)], lambda x: F.softmax(x * 5, -1))
case("log_softmax", "log_softmax", [(2, 3, 5)], lambda x: F.log_softmax(x * 5, -1))
case("cross_entropy", "cross_entropy, label = row", [(5, 6)], lambda x: F.cross_entropy(x * 5, torch.arange(5), reduction="none"))
case("bce_logits", "bce_logits", [(4, 5), (4, 5)],
     lambda x, t: F.binary_cross_entropy_with_logits(x * 5, t * 0.5 + 0.5, reduction="none"))
case("gelu", "gelu", [(40,)], lambda x: F.gelu(x * 4))
case("gelu_tanh", "gelu_tanh", [(40,)],
     lambda x: 2 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (4 * x + 0.044715 * (4 * x) ** 3))))


def attention(q, k, v, causal):   # (B, T, H, D)
    q, k, v = (t.transpose(1, 2) for t in (q, k, v))
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if causal:
        t, s = scores.shape[-2:]
        allowed = torch.arange(s)[None, :] <= torch.arange(t)[:, None] + s - t
        scores = scores.masked_fill(~allowed, -math.inf)
    return (torch.softmax(scores, -1) @ v).transpose(1, 2)


case("attention", "attention", [(2, 3, 2, 4), (2, 5, 2, 4), (2, 5, 2, 4)], lambda q, k, v: attention(q, k, v, False))
case("attention", "attention causal", [(1, 5, 2, 4)] * 3, lambda q, k, v: attention(q, k, v, True), causal="true")
case("attention", "attention causal, fewer queries", [(1, 2, 1, 8), (1, 6, 1, 8), (1, 6, 1, 8)],
     lambda q, k, v: attention(q, k, v, True), causal="true")

print("/* Made by make_layers.py with PyTorch in double precision; do not edit. */")
print("\n".join(arrays))
print("\nstatic const layer_case cases[] = {\n%s\n};" % "\n".join(rows))
