#!/bin/sh
# images.sh - the long runs behind what the picture families promise, each with its bound; what is done is kept, so call it again
#
#   [SEEDS="1 2 3"] [THREADS=N] [KEEP=FOLDER] tests/nightly/images.sh [PART]...
#
#     likelihood   MNIST in black and white: VAE, importance-weighted VAE, MADE, PixelCNN, in nats
#     classes      a classifier trained on 10,000 generated digits alone and tested on real ones: flow matching, conditional GAN
#     ring         eight Gaussians: GAN, GAN that judges two samples together, five seeds each; flow matching
#     losses       DCGAN on MNIST with four losses, ten seeds each: none diverges, each shows all ten digits
#     families     Fashion-MNIST: VAE, GAN, PixelCNN, flow matching after ten minutes of processor time each
#     faster       what makes learning faster: flow matching on Fashion-MNIST for 3 minutes of processor time, a GAN
#                  on MNIST for 90 seconds, each with one thing changed, three seeds
#     folders      FOLDERS="NAME=PATH ..." (64 pixels; a name that ends in 32: 32): flow matching and hinge GAN
#     few          the same folders, 500 pictures of each: what differentiable augmentation is worth
#
# Runs stay in KEEP (default build/images) and go on where they were stopped; runs.tsv there has a line for each finished one: name, commit,
# seconds of its last sitting, seconds of processor time, gemm before and after. Minutes that a preset promises hold for 480 GFLOP/s.
cd "$(dirname "$0")/../.." || exit 1
FIGMENT=${FIGMENT:-$PWD/build/figment}
FIGMENT_TESTS=$PWD/tests
FIGMENT_HOME=${XDG_CACHE_HOME:-$HOME/.cache} # judges and data of the user's cache: a judge takes a minute
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
. tests/cli/harness.inc
KEEP=${KEEP:-build/images}
mkdir -p "$KEEP" && cd "$KEEP" || exit 1

gemm() { "$FIGMENT" bench gemm --seconds 1 --json --quiet | sed -E 's/.*"gemm_f32_gflops": ?([0-9]+).*/\1/'; }
processor_seconds() { sed -nE 's/.*"cpu_seconds": ?([0-9]+).*/\1/p' "$1/log.jsonl" | tail -n 1; }
# train NAME ARGUMENTS...: the run NAME, from its last checkpoint if it was stopped; nothing if it is finished.
train() {
    trained=$1
    shift
    [ -e "$trained/finished" ] && return 0
    before=$(gemm) begun=$(date +%s)
    if [ -e "$trained/checkpoints" ]; then set -- train --resume -o "$trained"; else set -- train "$@" -o "$trained"; fi
    "$FIGMENT" "$@" --threads "${THREADS:-0}" --quiet >/dev/null 2>"$trained.err" || { no "$trained: $(tail -n 2 "$trained.err")"; return 1; }
    took=$(($(date +%s) - begun))
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$trained" "$commit" "$took" "$(processor_seconds "$trained")" "$before" "$(gemm)" |
        tee -a runs.tsv >"$trained/finished"
}
# score RUN METRIC [OPTIONS]: the metric's value; its document stays in RUN.METRIC.json.
score() {
    scored=$1 metric=$2
    shift 2
    [ -s "$scored.$metric.json" ] || "$FIGMENT" eval "$scored" --metric "$metric" "$@" --json --quiet >"$scored.$metric.json" 2>"$scored.err" ||
        { rm -f "$scored.$metric.json"; echo nan; return; }
    grep -oE '"value": ?[-0-9.e+]+' "$scored.$metric.json" | head -n 1 | sed 's/.*: *//' # the first is the one that was asked for
}
within() { # within NAME VALUE LOW HIGH
    awk -v v="$2" -v low="$3" -v high="$4" 'BEGIN { exit !(v != "nan" && v >= low && v <= high) }' && ok ||
        no "$1: $2 is not within $3 to $4"
    echo "$1: $2 ($3 to $4)"
}
sheet() { [ -s "$1.png" ] || expect 0 '' sample "$1" -n 64 --seed 1 -o "$1.png" --quiet; }

likelihood() {
    train vae-1 vae --data mnist --preset black-and-white --precision bf16 --seed 1
    train importance-1 vae --data mnist --preset importance --precision bf16 --seed 1
    train made-1 made --data mnist --preset digits --precision bf16 --seed 1
    train pixelcnn-1 pixelcnn --data mnist --preset digits --precision bf16 --seed 1
    plain=$(score vae-1 iw_bound)
    within "VAE 784-200-200-50, bound of 5,000 draws, nats" "$plain" -88.5 0
    within "the same trained with the importance-weighted bound" "$(score importance-1 iw_bound)" \
        "$(awk -v p="$plain" 'BEGIN { print p + 0.6 }')" 0
    within "MADE, nats" "$(score made-1 nll)" 0 86.0
    within "PixelCNN, nats" "$(score pixelcnn-1 nll)" 0 84.0
}
classes() {
    train flow-mnist-1 flow --data mnist --precision bf16 --seed 1
    train conditional-1 dcgan --data mnist --preset conditional --precision bf16 --seed 1
    sheet flow-mnist-1
    sheet conditional-1
    within "flow matching: trained on its samples, right on real digits" "$(score flow-mnist-1 tstr)" 0.965 1
    within "conditional GAN: the same" "$(score conditional-1 tstr)" 0.95 1
}
modes_of() { score "$1" modes --data synthetic:ring8:100000 --samples 2500; }
ring() {
    ring8=synthetic:ring8:100000
    for seed in ${SEEDS:-1 2 3 4 5}; do
        train ring-$seed gan --data $ring8 --preset points --seed "$seed"
        train ring-packed-$seed gan --data $ring8 --preset points-packed --seed "$seed"
        echo "seed $seed: $(modes_of ring-$seed) modes, two samples together $(modes_of ring-packed-$seed)"
    done
    mean() { for seed in ${SEEDS:-1 2 3 4 5}; do modes_of "$1-$seed"; done | awk '{ s += $1 } END { print s / NR }'; }
    plain=$(mean ring)
    within "modes, two samples together" "$(mean ring-packed)" "$(awk -v p="$plain" 'BEGIN { print p > 7 ? p + 0.5 : 7.5 }')" 8
    train ring-flow-1 flow --data $ring8 --preset points --seed 1
    within "modes, flow matching" "$(modes_of ring-flow-1)" 8 8
}
losses() {
    for seed in ${SEEDS:-1 2 3 4 5 6 7 8 9 10}; do
        for loss in non-saturating least-squares hinge wgan-gp; do
            train $loss-$seed dcgan --data mnist --preset $loss --precision bf16 --seed "$seed" || continue
            lacks null $loss-$seed/log.jsonl
            within "$loss, seed $seed: classes with 2 % or more" "$(score $loss-$seed modes)" 10 10
            echo "    Frechet distance $(score $loss-$seed frechet)"
        done
    done
    for loss in non-saturating least-squares hinge wgan-gp; do
        for seed in ${SEEDS:-1 2 3 4 5 6 7 8 9 10}; do score $loss-$seed frechet; done | sort -g |
            awk -v n=$loss '{ v[NR] = $1 }
                END { print n ": Frechet distance, median", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2, "worst", v[NR] }'
    done
}
families() {
    for recipe in vae dcgan pixelcnn flow; do
        case $recipe in # steps for schedules that end with the time; bf16 where the net is of convolutions
            vae) how="--epochs 400" ;;
            dcgan) how="--preset non-saturating --steps 50000 --precision bf16" ;;
            pixelcnn) how="--preset grey --precision bf16" ;;
            flow) how="--steps 2900 --precision bf16" ;;
        esac
        # shellcheck disable=SC2086
        train fashion-$recipe $recipe --data fashion-mnist $how --cpu-minutes 10 --seed 1
        sheet fashion-$recipe
        echo "$recipe: $(cut -f 4 fashion-$recipe/finished) s of processor time, Frechet distance $(score fashion-$recipe frechet)"
    done
}
# NAME and what it changes of the run beside which it stands; steps for schedules that end with the time.
flow_changes='as-it-is --steps 800
batch-32 --steps 1500 --set batch=32
batch-32-lr-2e-3 --steps 1500 --set batch=32 --set lr=2e-3
batch-32-lr-4e-3 --steps 1500 --set batch=32 --set lr=4e-3
lr-3e-3 --steps 800 --set lr=3e-3
uniform-times --steps 800 --set time=uniform
middle-times --steps 800 --set time=logit_normal
average-0.998 --steps 800 --set ema=0.998
no-average --steps 800 --set ema=0
constant-rate --steps 800 --set schedule=constant
adamw --steps 800 --set optimizer=adamw
untold --steps 800 --set condition=none
untold-nearest-noise --steps 750 --set condition=none --set coupling=nearest
width-24 --steps 1200 --set width=24
width-48 --steps 450 --set width=48'
gan_changes='as-it-is --steps 8500
wider-64 --steps 2000 --set width=64
narrower-24 --steps 11000 --set width=24
batch-64 --steps 5000 --set batch=64
rates-2e-4 --steps 8500 --set phases.generator.lr=2e-4 --set phases.discriminator.lr=2e-4
rates-4e-4 --steps 8500 --set phases.generator.lr=4e-4 --set phases.discriminator.lr=4e-4
equal-rates --steps 8500 --set phases.discriminator.lr=1e-3
batch-norm --steps 8500 --set critic.norm=batch
no-spectral-norm --steps 8500 --set critic.spectral_norm=no
constant-rate --steps 8500 --set schedule=constant
no-average --steps 8500 --set ema=0
deviations --steps 8500 --set critic.minibatch_stddev=yes
augmented --steps 8000 --set augment=translation,cutout'
each_change() { # each_change RECIPE DATA MINUTES ARGUMENTS...; reads changes
    recipe=$1 data=$2 minutes=$3
    shift 3
    while read -r name how; do
        for seed in ${SEEDS:-1 2 3}; do
            run=faster-$recipe-$name-$seed
            # shellcheck disable=SC2086
            train "$run" "$recipe" --data "$data" "$@" --precision bf16 --cpu-minutes "$minutes" $how --seed "$seed" </dev/null &&
                score "$run" frechet --samples 1000 </dev/null
        done >scores.txt
        awk -v n="$recipe $name" '{ s += $1; q += $1 * $1 }
            END { if (NR) { m = s / NR; e = NR > 1 ? (q - s * m) / (NR - 1) / NR : 0; print n ": Frechet distance", m, "+-", sqrt(e), NR, "seeds" } }
            ' scores.txt
    done
}
faster() {
    each_change flow fashion-mnist 3 <<END
$flow_changes
END
    each_change dcgan mnist 1.5 --preset hinge <<END
$gan_changes
END
}
side_of() { case $1 in *32) echo 32 ;; *) echo 64 ;; esac; }
each_folder() { # each_folder FUNCTION: of every NAME=PATH
    [ -n "${FOLDERS:-}" ] || skip "set FOLDERS=\"NAME=PATH ...\""
    for folder in $FOLDERS; do "$1" "${folder%%=*}" "${folder#*=}" "$(side_of "${folder%%=*}")"; done
}
# Distances at a quarter, a half, three quarters and the end: each at most two standard errors above the one before, the last at most half
# of the first.
at_four() { # at_four RUN DATA
    for model in "$1"/models/step-*.safetensors; do
        step=${model##*step-}
        [ -s "$1.${step%.*}.json" ] || # a model without its run does not know where the pictures are
            "$FIGMENT" eval "$model" --data "$2" --metric frechet --json --quiet >"$1.${step%.*}.json" || return
        echo "${step%.*} $(tr ',' '\n' <"$1.${step%.*}.json" | sed -nE '/"name": ?"frechet"/,/stderr/s/.*"(value|stderr)": ?//p' | tr '\n' ' ')"
    done | sort -n >"$1.distances"
    awk -v n="$1" '{ printf "%s: Frechet distance %s +- %s at step %s\n", n, $2, $3, $1; rises += NR > 1 && $2 > last + 2 * sqrt($3 * $3 + e * e); missing += NF < 3 }
        NR == 1 { first = $2 } { last = $2; e = $3 } END { exit !(NR >= 4 && !missing && !rises && last <= first / 2) }' "$1.distances" && ok ||
        no "$1: Frechet distances do not fall from checkpoint to checkpoint, or not to half"
}
folder() {
    train "flow-$1" flow --data "$2" --preset "folder-$3" --precision bf16 --set snapshots=4 --seed 1
    train "hinge-$1" dcgan --data "$2" --preset "hinge-$3" --precision bf16 --set snapshots=4 --seed 1
    for run in "flow-$1" "hinge-$1"; do
        sheet "$run"
        at_four "$run" "$2"
        within "$run: memorisation" "$(score "$run" neighbours)" 0 0.07
    done
}
folders() { each_folder folder; }
# 500 pictures for training, all others for the score.
few_of() {
    if ! [ -e "few-$1/rest" ]; then
        rm -rf "few-$1" && mkdir -p "few-$1/some" "few-$1/all" || return
        find "$2" -type f | sort >"few-$1/names" # evenly over all, so over all classes
        awk -v n="$(wc -l <"few-$1/names")" '{ to = int(NR * 500 / n) > int((NR - 1) * 500 / n) ? "some" : "all"; print to "\t" $0 }' "few-$1/names" |
            while IFS="$(printf '\t')" read -r to from; do cp "$from" "few-$1/$to/$(echo "${from#"$2"/}" | tr / _)" || exit 1; done || return
        mv "few-$1/all" "few-$1/rest"
    fi
    for augment in none colour,translation,cutout; do
        run=few-$1-${augment%%,*}
        train "$run" dcgan --data "few-$1/some" --preset "hinge-$3" --precision bf16 --set test=0 --set "augment=$augment" --steps 8000 --seed 1
        sheet "$run"
    done
    plain=$(score "few-$1-none" frechet --data "few-$1/rest" --split train --samples 1000)
    within "$1, 500 pictures: Frechet distance with differentiable augmentation" \
        "$(score "few-$1-colour" frechet --data "few-$1/rest" --split train --samples 1000)" 0 "$(awk -v p="$plain" 'BEGIN { print p * 0.75 }')"
}
few() { each_folder few_of; }

for part in ${*:-likelihood classes ring losses families}; do
    case $part in
        likelihood | classes | ring | losses | families | faster | folders | few) $part ;;
        *) no "no part \"$part\"" ;;
    esac
done
finish
