#!/bin/sh
# judge.sh - scores of samples, models side by side, and what is refused; points need no judge, so this is quick
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"
tiny='--set sample_every=never --set hidden=8 --set warmup=1 --set sample_steps=2 --no-tune -t 1'
# shellcheck disable=SC2086
{
    expect 0 '' train flow --data synthetic:ring8:400 --steps 2 -o a $tiny || finish
    expect 0 '' train flow --data synthetic:ring8:400 --steps 4 -o b $tiny || finish
}

expect 0 '' eval a -t 1 --metric modes --metric frechet --metric kernel_distance --metric neighbours --samples 100 --json
for score in modes good_samples mode_kl frechet frechet_real kernel_distance memorisation neighbour_ratio; do has "\"name\": \"$score\""; done
has '"protocol": "frechet/points/synthetic:ring8:400-'
has '/n100/s1/test80"'
has '"n": 100'
cp out a.json
expect 0 '' eval a -t 1 --metric modes --metric frechet --metric kernel_distance --metric neighbours --samples 100 --json
same out a.json
expect 0 '' eval b -t 1 --metric frechet --samples 100 --json
cp out b.json
expect 0 '' eval b -t 1 --metric frechet --samples 90 --json
cp out fewer.json
expect 0 '' eval b -t 1 --metric frechet --samples 100 --set sample_steps=3 --json
has '/n100/s1/test80"'
differ out b.json
expect 2 'can set' eval b -t 1 --metric frechet --samples 100 --set hidden=4

# Unequal compute is refused, whoever measured it; so are other data and other splits.
cp -r a slow
sed 's/"cpu_seconds": [0-9.]*/"cpu_seconds": 50/' a/log.jsonl >slow/log.jsonl
expect 8 'slow took 50 s of processor time' compare a slow --metric modes
expect 8 'does not say how much' compare a/model.safetensors a
sed 's/"cpu_seconds": [0-9.]*/"cpu_seconds": 100/' a.json >hundred.json
sed 's/"cpu_seconds": [0-9.]*/"cpu_seconds": 109.9/' b.json >near.json
sed 's/"cpu_seconds": [0-9.]*/"cpu_seconds": 110.2/' b.json >far.json
expect 0 '' compare hundred.json near.json
has 'training CPU s'
has ' 110'
expect 8 '110.2 s' compare hundred.json far.json
sed 's/"validation": [0-9.]*/"validation": 0.25/' hundred.json >split.json
sed 's/"name": "synthetic:ring8:400"/"name": "moved"/' near.json >moved.json
has '"moved"' moved.json
expect 0 '' compare hundred.json moved.json
expect 8 '0.25 for validation' compare hundred.json split.json
expect 0 '' compare hundred.json split.json --any-data
has 'was trained on: synthetic:ring8:400-'
expect 0 '' compare hundred.json near.json --markdown
has '| model | recipe | weights | scored on | training CPU s | sampling min | ms a sample | frechet (lower is better) |'
has '| a | flow |'
has '- good\_samples: `good_samples/points/'
expect 2 'choose one' compare hundred.json near.json --markdown --json

expect 0 '' compare a.json b.json --any-compute
has frechet
has 'trained on: synthetic:ring8:400-'
has 'lower is better; frechet/points/'
expect 8 'cannot be compared' compare a.json fewer.json --any-compute
has n90 err
expect 0 '' compare a b --metric modes --samples 50 -t 1 --json --any-compute
has '"samples":50'
has '"schema":"figment.compare/1"'
has '"recipe":"flow"'
has '"name":"good_samples"'
measured=$(sed -n '$s/.*"cpu_seconds": *\([0-9.]*\).*/\1/p' a/log.jsonl)
has "\"train_cpu_seconds\":$measured,"
expect 2 'no sheet' compare a b --metric modes --samples 50 -t 1 -o sheet.png --any-compute
expect 2 '' compare a
expect 3 'no such file' compare a.json none.json
echo '{"schema": "figment.run/1"}' >run.json
expect 4 'figment.eval/1' compare run.json a.json

# What others have written reaches no terminal as control characters: names in documents, of files, in models.
printf '{"schema":"figment.eval/1","model":"m\\u001b[2J","metrics":[{"name":"x\\u009b1m","value":1,"protocol":"p\\u0007"}]}' >odd.json
expect 8 'not known' compare odd.json odd.json --any-compute
expect 0 '' compare odd.json odd.json --any-compute --any-data
has 'm\x1b[2J'
has 'x\xc2\x9b1m'
escape=$(printf '\033')
expect 3 '\x1b[2J' data info "none${escape}[2J"
lacks "$escape" err
mkdir "in${escape}[2J"
echo 1 >"in${escape}[2J/x${escape}[1m.npy"
expect 4 '\x1b[1m' data info "in${escape}[2J"
lacks "$escape" err

expect 0 '' sample a -n 60 -o points.csv -t 1
cp points.csv "points${escape}[2J.csv"
expect 0 '' compare a a --data "points${escape}[2J.csv" --split train --metric frechet --samples 30 -t 1 --any-compute
has 'points/points\x1b[2J'
lacks "$escape"

# Two bounds, each of which says bits: the name stands once, and a document is comparable with itself.
expect 0 '' train vae --data synthetic:shapes:40 --set size=8 --set width=2 --set latent=2 --steps 2 -o v -t 1 --quiet
"$FIGMENT" eval v --metric elbo --metric iw_bound --samples 2 -t 1 --json --quiet >v.json
[ "$(grep -o '"bits_per_dim"' v.json | wc -l)" = 1 ] && ok || no 'bits_per_dim stands not once'
expect 0 '' compare v.json v.json --any-compute --any-data

# Inception weights: a file of other tensors is refused, so is what no pictures are compared by.
expect 4 'Conv2d_1a_3x3.conv.weight' eval --samples synthetic:shapes:20 --data synthetic:shapes:20 --metric frechet --inception a/model.safetensors
expect 3 'none.safetensors' eval --samples synthetic:shapes:20 --data synthetic:shapes:20 --metric frechet --inception none.safetensors
expect 2 'holds no pictures' eval a --metric frechet --inception a/model.safetensors
expect 2 'knows the classes' eval --samples synthetic:shapes:20 --data synthetic:shapes:20 --metric modes --inception a/model.safetensors

expect 2 'score what' eval
expect 2 'leave it out' eval a --samples here/
expect 2 'say with --data' eval --samples here/
expect 2 '' eval a --metric frechet --samples 1
expect 2 'it is for pictures' eval a --metric tstr
expect 3 'has no metric' eval a --metric beauty
expect 3 '' eval --samples none/ --data synthetic:shapes:20 --metric frechet
expect 3 'without their model' eval --samples none/ --data synthetic:shapes:20 --metric elbo
expect 2 'only pictures' eval --samples synthetic:moons:20 --data synthetic:shapes:20 --metric frechet
finish
