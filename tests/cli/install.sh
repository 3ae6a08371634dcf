# install.sh - an installed Figment can be built against, shared and static, through figment.pc
set -eu
[ -z "${FIGMENT_SANITIZED:-}" ] || { echo "the sanitized build has no shared library"; exit 77; }
DESTDIR=$PWD/root meson install -C "$FIGMENT_BUILD" --no-rebuild --quiet
pc=$(find root -name figment.pc)
prefix=$(sed -n 's/^prefix=//p' "$pc")
PKG_CONFIG_PATH=$PWD/${pc%/*}
PKG_CONFIG_SYSROOT_DIR=
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
flags() { pkg-config --define-variable=prefix="$PWD/root$prefix" "$@" figment; }

cat >use.c <<'C'
#include <figment/figment.h>
#include <stdio.h>
int main(void)
{
    fig_error err = { 0 };
    fig_fail(&err, FIG_E_SHAPE, "exit code %d", fig_status_exit_code(FIG_E_SHAPE));
    puts(err.message);
    return 0;
}
C
# shellcheck disable=SC2046
gcc -std=c17 -Wall -Wextra -Wpedantic -Werror use.c -o shared $(flags --cflags --libs)
# shellcheck disable=SC2046
gcc -std=c17 use.c -o static $(flags --cflags) -Wl,-Bstatic -L"$(flags --variable=libdir)" -lfigment -Wl,-Bdynamic \
    $(flags --static --libs | tr ' ' '\n' | grep -v figment | tr '\n' ' ')
[ "$(LD_LIBRARY_PATH=$(flags --variable=libdir) ./shared)" = "exit code 2" ]
[ "$(./static)" = "exit code 2" ]
ldd ./shared | grep -q libfigment.so.0
! ldd ./static | grep -q libfigment
# Nothing but what headers declare is visible.
! nm -D --defined-only "$(flags --variable=libdir)"/libfigment.so | grep -E ' [TDBR] ' | grep -vE ' fig_[a-z0-9]' || {
    echo "the shared library shows other names than fig_*"
    exit 1
}
