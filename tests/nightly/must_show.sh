#!/bin/sh
# must_show.sh - the long runs that the project promises, each with its bound: scores, times on two cores, and sheets to look at
#
#   tests/nightly/must_show.sh [NAME]...     vae gpt dcgan presets demo; needs MNIST (fetched) and, for gpt, TEXT=tinyshakespeare.txt
#
# Times hold for 480 GFLOP/s f32 (`figment bench gemm`), measured before and after and scaled. Sheets stay in build/must_show/.
cd "$(dirname "$0")/../.." || exit 1
FIGMENT=${FIGMENT:-$PWD/build/figment}
FIGMENT_TESTS=$PWD/tests
. tests/cli/harness.inc
mkdir -p build/must_show && cd build/must_show || exit 1

gemm() { "$FIGMENT" bench gemm --json --quiet | sed -E 's/.*"gemm_f32_gflops":([0-9]+).*/\1/'; }
value() { "$FIGMENT" eval "$1" --metric "$2" --json --quiet | sed -E "s/.*\"name\": ?\"$2\", \"value\": ?([-0-9.e+]*).*/\1/"; }
within() { # within NAME VALUE LOW HIGH
    awk -v v="$2" -v low="$3" -v high="$4" 'BEGIN { exit !(v >= low && v <= high) }' && ok || no "$1: $2 is not within $3 to $4"
    echo "$1: $2 ($3 to $4)"
}
# train_timed NAME LIMIT ARGUMENTS...: seconds of the run against a limit for 480 GFLOP/s.
train_timed() {
    name=$1 limit=$2
    shift 2
    rm -rf "$name"
    before=$(gemm)
    begun=$(date +%s)
    "$FIGMENT" train "$@" -o "$name" --quiet >/dev/null 2>"$name.err" || no "$name: $(cat "$name.err")"
    took=$(($(date +%s) - begun))
    after=$(gemm)
    scaled=$(awk -v l="$limit" -v a="$before" -v b="$after" 'BEGIN { printf "%d", l * 480 / ((a + b) / 2) + 0.5 }')
    within "$name seconds (gemm $before, $after GFLOP/s)" $took 0 "$scaled"
}
median3() { printf '%s\n' "$@" | sort -g | sed -n 2p; }

for part in ${*:-vae gpt dcgan presets demo}; do
    case $part in
        vae) # 784-400-20-400-784: minus the bound on the test pictures between 103 and 107 nats, median of three seeds
            for seed in 1 2 3; do train_timed vae-$seed 40 vae --data mnist --preset classic --seed $seed; done
            within "vae classic, elbo" "$(median3 "$(value vae-1 elbo)" "$(value vae-2 elbo)" "$(value vae-3 elbo)")" -107 -103 ;;
        gpt) # nano-cpu on tinyshakespeare: at most 1.85 nats a character on the whole last tenth
            [ -f "${TEXT:-}" ] || { echo "gpt: set TEXT to tinyshakespeare.txt"; continue; }
            train_timed gpt 120 gpt --data "$TEXT" --preset nano-cpu
            within "gpt nano-cpu, cross entropy" "$(value gpt cross_entropy)" 0 1.85 ;;
        dcgan) # each of the five losses runs 1,000 steps without NaN; look at the sheets
            for loss in non-saturating least-squares hinge wasserstein wgan-gp; do
                rm -rf dcgan-$loss
                expect 0 '' train dcgan --data mnist --set loss=$loss --steps 1000 -o dcgan-$loss --quiet
                lacks 'null' dcgan-$loss/log.jsonl
                expect 0 '' sample dcgan-$loss -n 64 -o dcgan-$loss.png
            done ;;
        presets) # the listings: B in full, A's short form; a reader looks for all ten digits
            train_timed gan-b 90 gan --data mnist --preset mlp-128
            expect 0 '' sample gan-b -n 100 -o gan-b.png
            train_timed dcgan-a 600 dcgan --data mnist --preset mnist-5x5-short
            expect 0 '' sample dcgan-a -n 100 -o dcgan-a.png
            ninja -C .. tests/digit_reader >reader.log 2>&1 || no "digit_reader does not build: see build/must_show/reader.log"
            for name in gan-b dcgan-a; do
                expect 0 '' sample $name -n 2000 -o $name.npy
                ../tests/digit_reader $name.npy 2>>reader.log && ok || no "$name: not all ten digits at 2 % or more"
            done
            expect 0 '' train vae --data synthetic:moons --preset plane -o plane --quiet
            expect 0 '' sample plane -o plane.png
            for preset in linear-critic mlp-128x2 mlp-relu4; do
                expect 0 '' train gan --data mnist --preset $preset -o gan-$preset --quiet
                expect 0 '' sample gan-$preset -n 100 -o gan-$preset.png
            done ;;
        demo) (cd ../.. && ./demo) || no "./demo" ;;
        *) no "no part \"$part\"" ;;
    esac
done
finish
