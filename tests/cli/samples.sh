#!/bin/sh
# samples.sh - what `figment sample` writes: the same seed gives the same samples whatever the count, in every format
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"
tiny_run vae pictures-run || finish
tiny_run gpt text-run || finish

# Pictures: sample i depends on the seed and i only.
expect 0 '' sample pictures-run -n 3 --seed 9 -o three/
expect 0 '' sample pictures-run -n 20 --seed 9 -o twenty/
expect 0 '' sample pictures-run -n 3 --seed 10 -o others/
[ "$(ls three | wc -l)" = 3 ] && [ "$(ls twenty | wc -l)" = 20 ] && ok || no "folders hold $(ls three | wc -l) and $(ls twenty | wc -l) files"
for name in $(ls three); do
    there "twenty/$name"
    same "three/$name" "twenty/$name"
    differ "three/$name" "others/$name"
done
expect 0 '' sample pictures-run -n 5 --seed 9 -o a.csv
expect 0 '' sample pictures-run -n 9 --seed 9 -o b.csv
head -n 5 a.csv >a && head -n 5 b.csv >b
same a b
for ending in png npy json; do
    expect 0 '' sample pictures-run -n 4 -o "x.$ending"
    there "x.$ending"
done
expect 0 'sample.png' sample pictures-run
there sample.png
expect 2 'does not make text' sample pictures-run --prompt hello
expect 2 'does not make text' sample pictures-run --weights int8
expect 2 '.doc' sample pictures-run -o x.doc
expect 3 'no sampler' sample pictures-run --sampler nothing

# A model file is all that is needed: without its run and its data.
cp pictures-run/model.safetensors alone.safetensors
expect 0 '' sample alone.safetensors -n 4 -o alone.png
expect 0 '' sample pictures-run -n 4 -o run.png
same alone.png run.png
mv pictures-run gone && mv pics away
expect 0 '' sample alone.safetensors -n 4 -o again.png
same alone.png again.png
mv gone pictures-run && mv away pics
# The plain loops draw nearly the same; the command says no when the variable is wrong.
FIGMENT_KERNELS=reference "$FIGMENT" sample alone.safetensors -n 4 -o plain.png >out 2>err && ok || no "reference kernels: $(cat err)"
FIGMENT_KERNELS=slow "$FIGMENT" sample alone.safetensors >out 2>err
[ $? = 2 ] && ok || no "FIGMENT_KERNELS=slow was taken"

# Text streams to standard output; the same text without streaming, and as a prefix of a longer one.
expect 0 '' sample text-run --length 60 --seed 4
cp out streamed
[ "$(wc -c <streamed)" -ge 60 ] && ok || no "60 tokens gave $(wc -c <streamed) bytes"
expect 0 '' sample text-run --length 60 --seed 4
same out streamed
expect 0 '' sample text-run --length 90 --seed 4
head -c 60 out >a && head -c 60 streamed >b
same a b
expect 0 '' sample text-run --length 60 --seed 4 -o text.txt
there text.txt
# Weights in fewer bytes: the same seed gives the same text again; what they may not be is said.
for form in bf16 int8; do
    expect 0 '' sample text-run --length 60 --seed 4 --weights $form
    cp out narrow
    expect 0 '' sample text-run --length 60 --seed 4 --weights $form
    same out narrow
done
expect 2 'f32, bf16, int8' sample text-run --weights int4
expect 0 '' sample text-run --length 30 -n 3 --seed 4
has 'sample 2'
expect 0 '' sample text-run --length 30 --prompt 'the cat' --temperature 0.5 --top-k 5 --top-p 0.9
has 'the cat'
expect 0 '' sample text-run --length 30 --greedy --seed 1
cp out greedy
expect 0 '' sample text-run --length 30 --temperature 0 --seed 2
same out greedy
# Longer than the context.
expect 0 '' sample text-run --length 100 --seed 2
[ "$(wc -c <out)" -ge 100 ] && ok || no "100 tokens gave $(wc -c <out) bytes"
# A character that the model never saw.
expect 2 '' sample text-run --prompt 'Q#'
# A reader that leaves early ends the command without a word.
"$FIGMENT" sample text-run --length 5000 2>err | head -c 20 >/dev/null
lacks 'Segmentation' err
# Models on the way: at equal distances, the last being the model; each can be used as one.
expect 0 '' train gan --data synthetic:ring8:500 --steps 9 --set snapshots=2 -o way --quiet
[ "$(ls way/models | tr '\n' ' ')" = "step-0000005.safetensors step-0000009.safetensors " ] && ok || no "way/models holds $(ls way/models)"
same way/models/step-0000009.safetensors way/model.safetensors
expect 0 '' sample way/models/step-0000005.safetensors -n 4 -o way.csv

finish
