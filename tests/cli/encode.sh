#!/bin/sh
# encode.sh - codes of a whole data set, and pictures and points from codes
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"
expect 0 '' train autoencoder --data synthetic:shapes:100 --steps 5 -t 1 -o shapes --set width=4 --set hidden=16 --set latent=3 \
    --set sample_every=never || finish
expect 0 '' train vae --data synthetic:moons:100 --steps 5 -t 1 -o vae --set sample_every=never --set latent=2 || finish
expect 0 '' train gan --data synthetic:moons:100 --steps 2 -t 1 -o gan --set sample_every=never || finish

# One row an item, the same in parts and whole; numbers of a row are the code's.
expect 0 'numbers of 784 each' encode shapes synthetic:shapes:50 --split train -o a.csv
lines=$(wc -l <a.csv)
if [ "$lines" -ge 50 ] && [ "$lines" -le 51 ]; then ok; else no "a.csv has $lines lines"; fi
expect 0 '' encode shapes synthetic:shapes:50 --split train -n 20 -o b.csv --json
has '"rows": 20, "numbers": 3, "numbers_before": 784'
head -n 20 a.csv >a20; head -n 20 b.csv >b20; same a20 b20
expect 0 '' encode shapes synthetic:shapes:50 # every split
there codes.npy

# Back again, from both kinds of files.
expect 0 '3' decode shapes a.csv -n 9 -o nine.png
there nine.png
expect 0 '' decode shapes a.csv
there decoded.png
expect 0 '' encode vae synthetic:moons:60 --split train -o m.csv
expect 0 '' decode vae m.csv -o again.csv
there again.csv

# The codes of vqvae are numbers in its codebook, and its decoder makes of them what it makes of the pictures.
tiny_run vqvae grids || finish
expect 0 '16 numbers of 256 each' encode grids pics --split train -n 7 -o g.csv
head -n 7 g.csv | grep -vE '^[0-7](,[0-7]){15}$' && no "g.csv holds other things than codes"
expect 0 '256 numbers of 16 each' decode grids g.csv -o g.npy
expect 0 '' sample grids -n 5 --sampler prior --temperature 0.7 -o five.png
there five.png
expect 2 'halved 4 times' train vqvae --data pics -o never --set size=16 --set halvings=4

# What cannot be done is said.
expect 2 'rows have 2 numbers, and this model takes 3' decode shapes m.csv
expect 2 'train, validation or test' encode shapes synthetic:shapes --split all
expect 3 '' encode shapes no-such-folder
expect 3 'encode' encode gan synthetic:moons
expect 2 '' encode shapes
finish
