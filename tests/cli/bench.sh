#!/bin/sh
# bench.sh - figment bench measures, explains itself and compares; nothing here looks at how fast anything was
. "$(dirname "$0")/harness.inc"

quick='--seconds 0.01 --steps 1'
# shellcheck disable=SC2086
{
    expect 0 '' bench mlp_gan dcgan64_generate op:softmax gemm copy $quick --json
    cp out before.json
    for key in figment.bench/1 machine gemm_f32_gflops copy_gbps workload precision threads steps median_step_s min_step_s items_per_s \
        flops_per_step peak_fraction startup_s tuning_s forecast_mb peak_rss_mb planned_mb live_mb; do
        has "\"$key\""
    done
    has '"results":[{"workload":"mlp_gan","precision":"f32"'
    lacks '"speed_up"'

    expect 0 '' bench mlp_gan $quick --compare before.json --json
    has '"speed_up"'
    expect 0 '' bench mlp_gan $quick --compare before.json --threads 1
    has 'before ms'
    expect 0 'GB/s' bench op:max_pool $quick --batch 2 --profile
    has 'op:max_pool'
    expect 0 'onednn' bench dcgan64_generate $quick --batch 2 --profile
    expect 0 'matmul_lines' bench gpt_generate $quick --precision int8 --profile --json
    has '"workload":"gpt_generate","precision":"int8"'
    expect 0 '' bench dcgan64_generate gpt_generate $quick --precision bf16 --json
    has '"workload":"dcgan64_generate","precision":"f32"'
    has '"workload":"gpt_generate","precision":"bf16"'
    expect 2 'int8' bench mlp_gan $quick --precision int8
    expect 2 'expected f32, bf16 or int8' bench gpt_generate $quick --precision int4
}

echo '{"schema":"figment.show/1"}' >other.json
expect 4 'not a document' bench gemm --compare other.json
expect 3 'cannot be read' bench gemm --compare nowhere.json
expect 3 'did you mean op:max_pool?' bench op:max_poo

# The help and the list name every workload.
expect 0 '' bench --list --json
has '"name":"op:softmax"'
expect 0 '' bench --list
cp out list
expect 0 '' help bench
if [ -d "${FIGMENT_SOURCE:-.}/src/cli" ]; then
    for name in $(sed -n 's/^FIG_WORKLOAD(\(.*\))$/\1/p' "${FIGMENT_SOURCE:-.}/src/cli/workloads.def"); do
        has "$name"
        has "$name" list
    done
fi
finish
