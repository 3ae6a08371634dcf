#!/bin/sh
# run_file.sh - run files: templates train as they are, mistakes are named with line and range
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"
tiny vae

for recipe in vae gan dcgan gpt; do
    expect 0 '' new $recipe -o $recipe.yaml
    has "recipe: $recipe" $recipe.yaml
done
expect 2 'is there already' new vae -o vae.yaml
expect 0 '' new vae -o vae.yaml --force
expect 0 '' new vae -o -
has 'recipe: vae'
expect 0 '' train vae.yaml --data pics --steps 3 --dry-run

broken() { # broken CODE TEXT LINES...: a run file of these lines is refused with this message
    code=$1 text=$2
    shift 2
    printf '%s\n' "$@" >broken.yaml
    expect "$code" "$text" train broken.yaml --data pics -o never
}
broken 2 'latnt' 'recipe: vae' 'steps: 5' 'latnt: 3'
has 'broken.yaml: line 3' err
has 'did you mean' err
broken 2 'batch' 'recipe: vae' 'batch: 0'
has 'broken.yaml: line 2' err
broken 2 'latent' 'recipe: vae' '' 'latent: many'
has 'broken.yaml: line 3' err
broken 2 'body' 'recipe: vae' 'body: cone'
has 'mlp' err
broken 4 'batch' 'recipe: vae' 'batch: 8' 'batch: 9'
broken 4 'broken.yaml' 'recipe: vae' '  batch: [8' 'x'
broken 2 'recipe' 'batch: 8'
broken 3 'vea' 'recipe: vea'
[ -e never ] && no "a refused run file left a run folder"

expect 2 'latnt' train vae --data pics --set latnt=3 -o never
expect 2 'lr' train vae --data pics --set lr=-1 -o never
expect 2 'phases' train vae --data pics --set phases.nothing.lr=1 -o never
expect 3 'no preset' train vae --data pics --preset nothing -o never

# A run's own run.yaml is complete: it repeats the run.
tiny_run vae first
expect 0 '' train first/run.yaml --data pics -o second --quiet
same first/model.safetensors second/model.safetensors
finish
