#!/bin/sh
# variations.sh - bench/variations: the same seed draws the same shapes, the table and its place in a page, a workload that is not there
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"

script=${FIGMENT_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}/bench/variations
[ -x "$script" ] || script=$(cd "$(dirname "$FIGMENT")/.." && pwd)/bench/variations
python3 -c '' 2>/dev/null || skip "no python3"
[ -x "$script" ] || skip "no bench/variations beside the command"
vary() { "$script" --figment "$FIGMENT" --count 3 --rounds 1 --seconds 0.01 --only mlp_gan,vae_mlp --seed 7 "$@" >out 2>err; }
shapes() { sed -n 's/^| \([a-z_]*\) | \([^|]*\) |.*%.*/\1 \2/p' "$1"; }

printf '# Results\n\nbefore\n' >page.md
vary --page page.md --json runs.json
[ $? = 0 ] && ok || no "variations: $(cat err)"
has '3 variations, '
has before page.md
has '## Variations, f32' page.md
has '"figment.variations/1"' runs.json
[ "$(shapes page.md | wc -l)" = 3 ] && ok || no "not three rows: $(cat page.md)"
shapes page.md >a
vary --page page.md
shapes page.md >b
same a b
[ "$(grep -c 'bench/variations f32 -->' page.md)" = 2 ] && ok || no "the page has its markers more than once"
vary --only nothing --no-page
[ $? != 0 ] && has 'no workload nothing' err
finish
