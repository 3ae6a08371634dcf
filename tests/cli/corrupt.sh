#!/bin/sh
# corrupt.sh - files that are not what they should be: refused with a line, and a run falls back to its checkpoint before
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"
tiny_run vae run || finish
model=run/model.safetensors
size=$(wc -c <$model)

flip() { # flip FILE OFFSET: one byte becomes another
    byte=$(od -An -tu1 -j "$2" -N1 "$1" | tr -d ' ')
    printf "$(printf '\\%03o' $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

# A model file: empty, cut, garbage, another kind of file.
: >empty.safetensors
expect 4 'empty.safetensors' sample empty.safetensors
head -c 100 $model >cut.safetensors
expect 4 'cut.safetensors' sample cut.safetensors
head -c $((size - 8)) $model >short.safetensors
expect 4 'short.safetensors' sample short.safetensors
{ printf '\377\377\377\377\377\377\377\177'; cat $model; } >huge.safetensors
expect 4 'huge.safetensors' show huge.safetensors
cp $model header.safetensors
flip header.safetensors 20
"$FIGMENT" sample header.safetensors -o x.png >out 2>err
case $? in 0 | 4) ok ;; *) no "a flipped header byte: exit code $?" ;; esac
echo hello >hello.safetensors
expect 4 'hello.safetensors' eval hello.safetensors
expect 4 '' sample "$data/train-images-idx3-ubyte"
printf '{}' >bare
printf "\\002\\000\\000\\000\\000\\000\\000\\000" | cat - bare >bare.safetensors
expect 4 'bare.safetensors' sample bare.safetensors

# Another recipe's model to begin from.
tiny gpt
# shellcheck disable=SC2086
expect 2 '' train gpt --data $data $settings --steps 5 --from $model -o other
tiny vae

# Checkpoints: the newest is broken, the one before is used and the run says so; the end is the same.
settings="$settings --set schedule=constant" # so that fewer steps are the beginning of more
# shellcheck disable=SC2086
"$FIGMENT" train vae --data $data -o whole --steps 60 $settings --quiet >/dev/null 2>&1
for how in cut flip; do
    # shellcheck disable=SC2086
    "$FIGMENT" train vae --data $data -o $how --steps 45 $settings --quiet >/dev/null 2>err
    newest=$(find $how/checkpoints -type f -size +0 | sort | grep -v best | tail -n 1)
    [ -n "$newest" ] || { no "no checkpoint in $how/checkpoints"; continue; }
    bytes=$(wc -c <"$newest")
    if [ $how = cut ]; then
        head -c $((bytes / 2)) "$newest" >part && cp part "$newest"
    else
        flip "$newest" $((bytes - 40))
    fi
    expect 0 'warning' train --resume -o $how --steps 60
    has "${newest##*/}" err
    same whole/model.safetensors $how/model.safetensors
done

# Data: labels that do not match, an empty file, a cut file, wrong sizes.
mkdir mismatch
cp pics/train-images-idx3-ubyte mismatch/
idx_labels mismatch/train-labels-idx1-ubyte 150
expect 4 'labels' data info mismatch
mkdir cutdata
head -c 5000 pics/train-images-idx3-ubyte >cutdata/train-images-idx3-ubyte
cp pics/train-labels-idx1-ubyte cutdata/
expect 4 'train-images-idx3-ubyte' train vae --data cutdata -o no
: >nothing.txt
expect 4 'nothing.txt' train gpt --data nothing.txt -o no
echo 'too short' >short.txt
expect 2 'context' train gpt --data short.txt -o no
expect 2 'text' train vae --data text.txt -o no
expect 2 'pictures' train gpt --data pics -o no
mkdir void
expect 3 'void: an empty folder' train vae --data void -o no
expect 2 'point' train dcgan --data synthetic:moons -o no
[ -e no ] && no "a refused command left a run folder"
finish
