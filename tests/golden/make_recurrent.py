#!/usr/bin/env python3
"""Numbers for test_recurrent.c from an independent implementation: torch.nn's RNN, LSTM and GRU, in double precision.

usage: python3 make_recurrent.py > recurrent.inc

Each row is one layer: kind, sizes, and the expected output, final states and gradients of the loss sum(y * u) + sum(final * w).
Weights, inputs, states, u and w are not stored: both sides compute them from their index (see `numbers` of make_layers.py).
The GRU with its reset gate before the product is not in torch.nn; it is written out here from the paper.
"""
import math
import torch

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
    count = math.prod(shape)
    return torch.tensor([(mix(seed * 1000003 + i) >> 8) / 2**23 - 1 for i in range(count)]).reshape(shape)


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


def reset_before(x, h, wi, wr, bi, bn):
    n, out = h.shape[-1], []
    for t in range(x.shape[1]):
        z = x[:, t] @ wi.T + bi
        both = torch.sigmoid(z[:, :2 * n] + h @ wr[:2 * n].T)
        reset, update = both[:, :n], both[:, n:]
        fresh = torch.tanh(z[:, 2 * n:] + (reset * h) @ wr[2 * n:].T + bn)
        h = (1 - update) * fresh + update * h
        out.append(h)
    return torch.stack(out, 1), h


def case(kind, b, t, i, n, reverse=False, before=False):
    gates = {"rnn": 1, "lstm": 4, "gru": 3}[kind]
    leaves = [numbers((b, t, i), 1), numbers((gates * n, i), 2), numbers((gates * n, n), 3), numbers((gates * n,), 4),
              numbers((b, n), 5)]
    if kind == "gru":
        leaves.append(numbers((n,), 6))
    if kind == "lstm":
        leaves.append(numbers((b, n), 6))
    leaves = [v.requires_grad_() for v in leaves]
    x, wi, wr, bi, h = leaves[:5]
    if before:
        y, last = reset_before(x, h, wi, wr, bi, leaves[5])
        final = [last]
    else:
        net = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](i, n, batch_first=True)
        hidden_bias = torch.zeros(gates * n)
        if kind == "gru":
            hidden_bias[2 * n:] = leaves[5].detach()
        state = h[None] if kind != "lstm" else (h[None], leaves[5][None])
        net.weight_ih_l0, net.weight_hh_l0, net.bias_ih_l0, net.bias_hh_l0 = (
            torch.nn.Parameter(v.detach()) for v in (wi, wr, bi, hidden_bias))
        leaves[1:4] = net.weight_ih_l0, net.weight_hh_l0, net.bias_ih_l0
        if kind == "gru":
            leaves[5] = net.bias_hh_l0
        y, last = net(x.flip(1) if reverse else x, state)
        final = [v[0] for v in last] if kind == "lstm" else [last[0]]
        y = y.flip(1) if reverse else y
    loss = (y * numbers(y.shape, 7)).sum()
    for k, f in enumerate(final):
        loss = loss + (f * numbers(f.shape, 8 + k)).sum()
    gradients = list(torch.autograd.grad(loss, leaves))
    if kind == "gru" and not before:
        gradients[5] = gradients[5][2 * n:]
    number = len(rows)
    names = [store("y_%d" % number, y)] + [store("final_%d_%d" % (number, k), f) for k, f in enumerate(final)]
    grads = [store("gradient_%d_%d" % (number, k), g) for k, g in enumerate(gradients)]
    rows.append("    { .kind = %s, .batch = %d, .steps = %d, .in = %d, .units = %d, .reverse = %s, .before = %s,\n      .y = %s, "
                ".final = { %s },\n      .gradient = { %s } }," %
                ({"rnn": 0, "lstm": 1, "gru": 2}[kind], b, t, i, n, str(reverse).lower(), str(before).lower(), names[0],
                 ", ".join(names[1:]), ", ".join(grads)))


case("rnn", 2, 4, 3, 5)
case("lstm", 3, 4, 2, 5)
case("gru", 2, 5, 3, 4)
case("lstm", 2, 3, 3, 4, reverse=True)
case("gru", 2, 4, 2, 3, before=True)
case("lstm", 1, 2, 2, 35)

print("/* Made by make_recurrent.py with PyTorch in double precision; do not edit. */")
print("\n".join(arrays))
print("\nstatic const recurrent_case cases[] = {\n%s\n};" % "\n".join(rows))
