#!/bin/sh
# disk.sh - folders that cannot be written and a disk that is full: said in a line, and what was there stays whole
. "${FIGMENT_TESTS:-$(dirname "$0")/..}/cli/harness.inc"
tiny_run vae run || finish

: >file
tiny vae
# shellcheck disable=SC2086
expect 5 'file' train vae --data $data -o file/run --steps 5 $settings
expect 5 'file' sample run -o file/x.png
expect 5 'file' new vae -o file/run.yaml
expect 5 '/proc' sample run -o /proc/nothing/x.png
if [ "$(id -u)" != 0 ]; then
    mkdir closed && chmod 500 closed
    # shellcheck disable=SC2086
    expect 5 'closed' train vae --data $data -o closed/run --steps 5 $settings
    expect 5 'closed' sample run -o closed/x.png
    chmod 700 closed
fi

mkdir small
if [ "$(id -u)" != 0 ] || ! mount -t tmpfs -o size=300k tmpfs small 2>/dev/null; then
    echo "no small file system can be mounted here: the full disk is not tried"
    [ $failed = 0 ] && [ "$(id -u)" != 0 ] && finish
    finish
fi
trap 'umount small 2>/dev/null' EXIT
# The run fills the disk: one line, exit code 5, and its last whole checkpoint can be resumed once there is room.
# shellcheck disable=SC2086
expect 5 'small' train vae --data $data -o small/run --steps 4000 $settings --set hidden=16 --set checkpoint_every=10
find small -name '*.tmp*' | grep -q . && no "temporary files are left" || ok
mount -o remount,size=20m small
# shellcheck disable=SC2086
expect 0 '' train vae --data $data -o small/run --steps 4000 $settings --resume --steps 100 --quiet
cp run/model.safetensors small/ && mount -o remount,size="$(($(du -sk small | cut -f1) + 4))k" small
cp run/samples/*.png small/old.png 2>/dev/null || cp run/run.yaml small/old.png
cp small/old.png old.png
dd if=/dev/zero of=small/fill bs=1k 2>/dev/null
expect 5 'small' sample run -n 64 -o small/old.png
same old.png small/old.png
finish
