#!/bin/sh
# json.sh - what scripts read: one document on standard output, its schema first, the keys that DESIGN names
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"

keys() { # keys SCHEMA KEY...: out is one document with this schema and these keys
    schema=$1
    shift
    tr -d ' \n' <out | grep -q "^{\"schema\":\"$schema\"" && ok || no "document does not begin with schema $schema: $(head -c 200 out)"
    for key; do has "\"$key\":"; done
    if command -v python3 >/dev/null; then
        python3 -c 'import json, sys; json.load(open("out"))' 2>json.err && ok || no "$schema: $(tail -n 1 json.err)"
    fi
}

expect 0 '' version --json
keys figment.version/1 version
expect 0 '' recipes --json
keys figment.recipes/1 recipes name summary presets
for recipe in vae gan dcgan gpt rnn; do
    expect 0 '' recipes $recipe --json
    keys figment.recipe/1 options training_options default help
done
expect 0 '' data list --json
keys figment.catalogue/1 name
has '"fashion-mnist"'
has '"jargon"'
has '"mnist"'
has '"moby-dick"'
expect 0 '' doctor --json
keys figment.doctor/1 cpu threads
expect 0 '' data info synthetic:moons --json
keys figment.data/1
expect 0 '' data check synthetic:moons --json
keys figment.data/1 findings

tiny vae
# shellcheck disable=SC2086
expect 0 '' train vae --data $data $settings --steps 20 --dry-run --json
keys figment.plan/1 parameters encoder decoder planned_mb forecast_mb flops_per_step steps seconds_forecast
there pics
tiny gan
# shellcheck disable=SC2086
expect 0 '' train gan --data $data $settings --steps 20 --dry-run --json
keys figment.plan/1 parameters generator discriminator
# shellcheck disable=SC2086
expect 0 '' train gan --data $data $settings --steps 20 --dry-run --dump-graph graph.dot
has 'digraph' graph.dot
# shellcheck disable=SC2086
expect 0 '' train gan --data $data $settings --steps 20 --dry-run --dump-graph -
has 'matmul'
[ -d runs ] && no "a dry run wrote a run folder"

tiny vae
# shellcheck disable=SC2086
expect 0 '' train vae --data $data -o run $settings --steps 20 --json --progress=json
keys figment.trained/1 run steps seconds cpu_seconds losses why_finished
grep -q '^{"schema":"figment.progress/1"' err && ok || no "no JSON progress lines"
expect 0 '' show run --json
keys figment.run/1
expect 0 '' show run/model.safetensors --json
keys figment.model/1 recipe
expect 0 '' show run
lacks '{'
expect 0 '' eval run --json
keys figment.eval/1 model metrics name value unit split n stderr protocol
has '"elbo"'
expect 0 '' eval run --metric reconstruction --json
keys figment.eval/1
lacks '"elbo"'
expect 0 '' sample run -n 2 --json
keys figment.samples/1
finish
