#!/bin/sh
# examples.sh - the programs of examples/: each trains a few steps on tiny data, their models can be used, and valgrind finds nothing
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"
examples=${FIGMENT_BUILD:-${FIGMENT%/*}}/examples
for name in mlp_gan dcgan28 dcgan32_folder vae2d char_gpt use_model; do
    [ -x "$examples/$name" ] || skip "$examples/$name is not built; ./compile --all"
done
OMP_NUM_THREADS=2
export OMP_NUM_THREADS

run() { # run PROGRAM ARGUMENTS...
    program=$1
    shift
    if "$examples/$program" "$@" >out 2>err </dev/null; then ok; else no "$program: exit code $?: $(tail -n 5 err)"; fi
}
trained() { # trained RUN LINE: it left a model and a sheet or a text, and printed lines like LINE
    there "$1/model.safetensors"
    ls "$1"/samples/* >/dev/null 2>&1 && ok || no "$1 has no samples"
    grep -qE "$2" out && ok || no "$1 printed no line like \"$2\": $(tail -n 2 out)"
}

pictures pics
run mlp_gan pics 100 gan
trained gan '^Epoch: [0-9]+, Step: [0-9]+, Gen Loss: [0-9.]+, Disc Loss: [0-9.]+$'
run vae2d synthetic:moons 40 vae
trained vae '^Epoch [0-9]+: Loss = [-0-9.]+$'
words text.txt
run char_gpt text.txt 10 gpt
trained gpt '^step [0-9]+: [0-9.]+ nats per character$'
run dcgan28 pics 2 dcgan28
there dcgan28/model.safetensors
# A trained model in five lines: by its run and by its file, of pictures and of text.
tiny_run vae pictures-run
tiny_run gpt text-run
run use_model pictures-run sheet.png
there sheet.png
run use_model pictures-run/model.safetensors again.png
same sheet.png again.png
run use_model text-run drawn.txt
there drawn.txt
"$FIGMENT" sample pictures-run -n 70 -o folder/ >out 2>err && ok || no "figment sample: $(cat err)"
run dcgan32_folder folder 2 dcgan32
there dcgan32/model.safetensors
# Mistakes end in one line and in the exit code that the command would give.
"$examples/mlp_gan" ./nothing 5 never >out 2>err
[ $? = 3 ] && [ "$(wc -l <err)" = 1 ] && ok || no "mlp_gan without data: $(cat err)"
"$examples/use_model" gan x.png >out 2>err
[ $? = 3 ] && [ "$(wc -l <err)" = 1 ] && grep -q 'recipe "mlp-gan"' err && ok || no "use_model with another program's recipe: $(cat err)"
"$examples/use_model" ./nothing x.png >out 2>err
[ $? = 3 ] && [ "$(wc -l <err)" = 1 ] && ok || no "use_model without a model: $(cat err)"

# Valgrind with the reference kernels: oneDNN makes code for processors that valgrind does not know. Sanitizers and it exclude each other.
if [ -n "${FIGMENT_SANITIZED:-}" ] || ! command -v valgrind >/dev/null; then
    [ -n "${FIGMENT_SANITIZED:-}" ] || echo "no valgrind here: memory errors are left to the sanitizers"
    finish
fi
# On one processor, so that no thread is started: those of OpenMP live until the end and valgrind takes their stacks for lost.
core=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')
checked() { # checked PROGRAM ARGUMENTS...
    program=$1
    shift
    FIGMENT_KERNELS=reference taskset -c "$core" valgrind --quiet --error-exitcode=99 --leak-check=full \
        --show-leak-kinds=definite,possible --errors-for-leak-kinds=definite,possible \
        "$examples/$program" "$@" >out 2>err </dev/null
    code=$?
    [ $code = 0 ] && ok || no "valgrind $program: exit code $code: $(head -n 30 err)"
}
checked mlp_gan pics 1 valgrind-gan
checked vae2d synthetic:moons 2 valgrind-vae
checked use_model pictures-run valgrind.png
there valgrind.png
finish
