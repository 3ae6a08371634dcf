#!/bin/sh
# compare.sh - bench/compare: both sides, a failing one, and the page; with a peer that only pretends
. "$(dirname "$0")/harness.inc"

script=${FIGMENT_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}/bench/compare
[ -x "$script" ] || script=$(cd "$(dirname "$FIGMENT")/.." && pwd)/bench/compare
python3 -c '' 2>/dev/null || skip "no python3"
[ -x "$script" ] || skip "no bench/compare beside the command"

mkdir peers
cat >peers/strong <<'END'
#!/bin/sh
[ "$1" = vae_mlp ] && { echo "strong: nothing installed" >&2; exit 2; }
echo 'warning: something else first'
echo '{"workload":"'"$1"'","variant":"pretended","median_step_s":0.5,"peak_rss_mb":100,"gflop_per_step":1.0}'
END
chmod +x peers/strong
compare() { "$script" --peers peers --figment "$FIGMENT" --seconds 0.01 --rounds 2 "$@" >out 2>err; }

printf '# Results\n\nbefore\n\n<!-- bench/compare f32 against f32 -->\nold\n<!-- /bench/compare f32 against f32 -->\n\nbehind\n' >page.md
compare --only mlp_gan --page page.md --json runs.json
[ $? = 0 ] && ok || no "compare: $(cat err)"
has '| `mlp_gan` |'
has 'geometric mean of the ratios of 1 training workloads'
has '| `mlp_gan` |' page.md
has behind page.md
lacks old page.md
has '"figment.compare/2"' runs.json

compare --only vae_mlp,mlp_gan --page page.md
[ $? = 1 ] && ok || no "a failing workload must show in the exit code"
has '| `vae_mlp` | failed |' page.md
has 'nothing installed' page.md
[ "$(grep -c 'bench/compare f32 against f32 -->' page.md)" = 2 ] && ok || no "the page has its markers more than once"

# Ctrl-C in the second round leaves a table of the first.
cat >peers/strong <<'END'
#!/bin/sh
echo >>calls
[ $(wc -l <calls) = 2 ] && { kill -INT $PPID; sleep 2; }
echo '{"workload":"'"$1"'","variant":"pretended","median_step_s":0.5,"peak_rss_mb":100,"gflop_per_step":1.0}'
END
compare --only mlp_gan --rounds 5 --no-page
[ $? = 0 ] && ok || no "compare: $(cat err)"
has 'the table is of 1 whole round' err
has '--rounds 1 '
has '| `mlp_gan` |'

# Pairs: each side once a round, a table for each pair.
cat >peers/strong <<'END'
#!/bin/sh
echo "$*" >>settings
echo '{"workload":"'"$1"'","variant":"pretended","median_step_s":0.5,"peak_rss_mb":100,"gflop_per_step":1.0}'
END
cat >peers/mlp_gan.py <<'END'
print('{"workload":"mlp_gan","variant":"as it comes","median_step_s":9.5,"peak_rss_mb":100,"gflop_per_step":1.0}')
END
compare --only mlp_gan --pairs f32:f32,bf16:f32,bf16:bf16,f32:installed --page pairs.md
[ $? = 0 ] && ok || no "compare: $(cat err)"
for pair in 'f32 against f32' 'bf16 against f32' 'bf16 against bf16' 'f32 against installed'; do
    has "<!-- bench/compare $pair -->" pairs.md
    has "$pair, geometric mean" pairs.md
done
has '| 9500 |' pairs.md
[ "$(grep -c -e --bf16 settings)" = 2 ] && [ "$(wc -l <settings)" = 4 ] && ok || no "a side of several pairs was not measured once a round"
compare --only mlp_gan --pairs f32:f64 --no-page
[ $? = 2 ] && has 'f32:f64 is not one of' err

compare --only nothing --no-page
[ $? != 0 ] && has 'no workload nothing' err
mkdir empty
"$script" --peers empty --no-page >out 2>err
[ $? != 0 ] && has 'holds no program' err
finish
