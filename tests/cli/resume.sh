#!/bin/sh
# resume.sh - stopping and going on: refused, finished, Ctrl-C, twice Ctrl-C
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"
tiny_run vae whole || finish
for part in run.yaml log.jsonl model.safetensors samples checkpoints; do there whole/$part; done

# shellcheck disable=SC2086
expect 2 '--resume' train vae --data $data -o whole --steps 40 $settings
expect 0 '' train --resume -o whole
has whole
cp whole/model.safetensors before
# shellcheck disable=SC2086
expect 0 '' train vae --data $data -o whole --steps 40 $settings --resume
same before whole/model.safetensors
# Nothing to go on from: begins.
# shellcheck disable=SC2086
expect 0 '' train vae --data $data -o fresh --steps 40 $settings --resume --quiet
same fresh/model.safetensors whole/model.safetensors
# More steps are allowed, another model is not.
expect 2 '' train --resume -o whole --set latent=3
expect 0 '' train --resume -o whole --steps 45 --quiet

# wait_for RUN LINES: until the log has so many lines.
wait_for() {
    for _ in $(seq 600); do
        [ -f "$1/log.jsonl" ] && [ "$(wc -l <"$1/log.jsonl")" -ge "$2" ] && return 0
        sleep 0.05
    done
    no "$1 logged nothing"
}

# A background job of a shell ignores SIGINT unless it sets a handler, which the command does.
for signal in INT TERM; do
    # shellcheck disable=SC2086
    "$FIGMENT" train vae --data $data -o stop$signal --steps 100000 $settings >out 2>err &
    job=$!
    wait_for stop$signal 3
    kill -$signal $job
    wait $job
    code=$?
    [ $code = 7 ] && ok || no "after SIG$signal: exit code $code, expected 7: $(tail -n 2 err)"
    has 'checkpoint' err
    there stop$signal/checkpoints
    before=$(wc -l <stop$signal/log.jsonl)
    reached=$(sed -n '$s/.*"step": *\([0-9]*\).*/\1/p' stop$signal/log.jsonl)
    expect 0 '' train --resume -o stop$signal --steps $((reached + 20)) --quiet
    [ "$(wc -l <stop$signal/log.jsonl)" -gt "$before" ] && ok || no "the resumed run logged nothing more"
done

# Stopped by Ctrl-C and gone on is the same as never stopped.
# shellcheck disable=SC2086
"$FIGMENT" train vae --data $data -o twice --steps 40 $settings --set seed=5 --quiet >/dev/null 2>&1
# shellcheck disable=SC2086
"$FIGMENT" train vae --data $data -o stopped --steps 40 $settings --set seed=5 --minutes 0.00001 --quiet >/dev/null 2>err || no "--minutes: $(cat err)"
expect 0 '' train --resume -o stopped --minutes 0 --quiet
same twice/model.safetensors stopped/model.safetensors

# Processor time is counted over all sittings and limits a run like minutes do.
# shellcheck disable=SC2086
expect 0 '' train vae --data $data -o spent --steps 40 $settings --set seed=5 --cpu-minutes 0.00001 --quiet --json
has '"why_finished":"processor time limit"'
cpu() { sed -n '$s/.*"cpu_seconds": *\([0-9.]*\).*/\1/p' spent/log.jsonl; }
before=$(cpu)
expect 0 '' train --resume -o spent --cpu-minutes 0 --quiet --json
awk "BEGIN { exit !(0 < $before && $before < $(cpu)) }" && ok || no "processor seconds $before, then $(cpu)"
same twice/model.safetensors spent/model.safetensors
finish
