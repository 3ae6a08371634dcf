#!/bin/sh
# precision.sh - bf16 against f32: three recipes, three seeds each, mean loss over the last quarter of the steps
#
#   TEXT=tinyshakespeare.txt tests/nightly/precision.sh     needs MNIST (fetched)
#
# The difference of the two precisions, averaged over the seeds, must be below what a seed changes: the range of the f32 losses.
cd "$(dirname "$0")/../.." || exit 1
FIGMENT=${FIGMENT:-$PWD/build/figment}
FIGMENT_TESTS=$PWD/tests
[ -f "${TEXT:-}" ] || { echo "precision: set TEXT to tinyshakespeare.txt"; exit 2; }
TEXT=$(realpath "$TEXT")
mkdir -p build/precision && cd build/precision || exit 1
. ../../tests/cli/harness.inc # measured kernels stay in this folder

# last_quarter RUN KEY: mean of a training loss over the last quarter of its logged steps
last_quarter() {
    grep '"split": "train"' "$1/log.jsonl" | sed -nE "s/.*\"$2\": ([-0-9.e+]+).*/\1/p" |
        awk '{ v[NR] = $1 } END { n = int(NR / 4); for (i = NR - n + 1; i <= NR; i++) s += v[i]; printf "%.4f\n", s / n }'
}

# compare NAME KEY ARGUMENTS...
compare() {
    name=$1 key=$2
    shift 2
    for precision in f32 bf16; do
        for seed in 1 2 3; do
            rm -rf "$name-$precision-$seed"
            "$FIGMENT" train "$@" --seed $seed --precision $precision -o "$name-$precision-$seed" --quiet >/dev/null 2>err || no "$name: $(cat err)"
            last_quarter "$name-$precision-$seed" "$key"
        done >"$name-$precision.txt"
    done
    verdict=$(paste "$name-f32.txt" "$name-bf16.txt" | awk -v name="$name $key" '
        { f[NR] = $1; b[NR] = $2; d += ($2 - $1) / 3; if (NR == 1 || $1 < low) low = $1; if (NR == 1 || $1 > high) high = $1 }
        END { good = NR == 3 && d < high - low && -d < high - low
              printf "%s: f32 %s %s %s, bf16 %s %s %s, difference %.4f, range of seeds %.4f%s\n", name, f[1], f[2], f[3], b[1], b[2], b[3],
                     d, high - low, good ? "" : ": outside" }')
    echo "$verdict"
    case $verdict in *outside) no "$verdict" ;; *) ok ;; esac
}

compare vae loss.elbo vae --data mnist --preset classic --epochs 4 --set log_every=10
compare dcgan loss.generator dcgan --data mnist --set size=28 --set width=32 --steps 600 --set log_every=10
compare gpt loss.cross_entropy gpt --data "$TEXT" --preset nano-cpu --set log_every=10 --set eval_every=500
finish
