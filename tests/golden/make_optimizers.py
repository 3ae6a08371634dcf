#!/usr/bin/env python3
"""Trajectories of optimizers from an independent implementation (PyTorch, float64), for test_optimizers.c.

usage: python3 make_optimizers.py > optimizers.inc

One weight of six elements follows 20 gradients given by a formula that the test repeats:
    w[i] = 0.1 * (i - 2.5),  g[t][i] = sin(1.7 * (t + 1) + 0.9 * i) * (1 + 0.1 * t)
Kept are the weights after steps 1, 2, 10 and 20.
"""
import math
import torch

torch.set_default_dtype(torch.float64)
N, STEPS, KEPT = 6, 20, (1, 2, 10, 20)

CASES = [
    ("sgd", dict(lr=0.05), lambda p: torch.optim.SGD(p, lr=0.05)),
    ("sgd", dict(lr=0.05, momentum=0.9), lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9)),
    ("sgd", dict(lr=0.05, momentum=0.9, nesterov=1, weight_decay=0.1),
     lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.1)),
    ("adam", dict(lr=0.01), lambda p: torch.optim.Adam(p, lr=0.01)),
    ("adam", dict(lr=0.02, beta1=0.5, beta2=0.99, eps=1e-4, weight_decay=0.1),
     lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.5, 0.99), eps=1e-4, weight_decay=0.1)),
    ("adam", dict(lr=0.01, beta1=0.0, beta2=0.9), lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.0, 0.9))),
    ("adamw", dict(lr=0.02, beta1=0.8, weight_decay=0.3), lambda p: torch.optim.AdamW(p, lr=0.02, betas=(0.8, 0.999), weight_decay=0.3)),
    ("rmsprop", dict(lr=0.01), lambda p: torch.optim.RMSprop(p, lr=0.01)),
    ("rmsprop", dict(lr=0.01, momentum=0.9, decay_rate=0.9, weight_decay=0.1),
     lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, momentum=0.9, weight_decay=0.1)),
]

print("/* made by make_optimizers.py; do not edit */")
for name, options, make in CASES:
    w = torch.tensor([0.1 * (i - 2.5) for i in range(N)], requires_grad=True)
    optimizer = make([w])
    rows = []
    for t in range(STEPS):
        w.grad = torch.tensor([math.sin(1.7 * (t + 1) + 0.9 * i) * (1 + 0.1 * t) for i in range(N)])
        optimizer.step()
        if t + 1 in KEPT:
            rows.append(w.detach().tolist())
    settings = " ".join("%s=%g" % pair for pair in options.items())
    print('{ "%s", "%s", {' % (name, settings))
    for row in rows:
        print("    { " + ", ".join("%.12g" % value for value in row) + " },")
    print("} },")
