#!/bin/sh
# classes.sh - sampling step by step: classes, guidance, number of steps, settings of one sampling; what other models say to them
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"
expect 0 '' train flow --data synthetic:shapes:40 --steps 3 -t 1 -o flow --set width=4 --set heads=1 --set levels=1,2 --set batch=4 \
    --set sample_every=never --set sample_steps=2 --set warmup=1 || finish
expect 0 '' train vae --data synthetic:moons:100 --steps 3 -t 1 -o vae --set sample_every=never || finish

# A folder a class, all classes in turn; or those that were asked for, by name or number.
expect 0 '' sample flow -n 8 -t 1 -o all/
for name in disc/000000 disc/000006 square/000001 square/000007 triangle/000002 cross/000003 ring/000004 bar/000005; do
    there "all/$name.png"
done
expect 0 '' sample flow -n 3 -t 1 --class ring,0 -o some/
for name in ring/000000 disc/000001 ring/000002; do there "some/$name.png"; done
expect 0 '' sample flow -n 2 -t 1 --class none -o none/
there none/000001.png
expect 0 '' sample flow -n 3 -t 1 -o x.npy
there x.labels.npy
expect 0 '' sample flow -n 3 -t 1 --class 2 --json
has '"classes": [2, 2, 2]'
expect 2 'disc, square, triangle' sample flow --class house
expect 2 '"6"' sample flow --class 6
expect 2 'does not tell classes apart' sample vae --class 1

# Steps, guidance, sampler and other settings change the samples, and only where the table allows it.
expect 0 '' sample flow -n 1 -t 1 --class 1 --seed 3 -o plain.npy
for how in '--steps 3' '--guidance 4' '--sampler heun' '--set guidance=0'; do
    # shellcheck disable=SC2086
    expect 0 '' sample flow -n 1 -t 1 --class 1 --seed 3 -o other.npy $how
    differ plain.npy other.npy
done
expect 0 '' sample flow -n 1 -t 1 --class 1 --seed 3 -o same.npy --set sample_steps=2 --set sampler=euler --guidance 1
same plain.npy same.npy
expect 2 'width is settled when a model is trained' sample flow --set width=8
expect 2 'no option "speed"' sample flow --set speed=8
expect 2 'NAME=VALUE' sample flow --set guidance
expect 2 'guidance' sample flow --guidance much
expect 2 'sample_steps' sample flow --steps 0
expect 2 'no option "guidance"' sample vae --guidance 2
expect 2 'no option "sample_steps"' sample vae --steps 2
finish
