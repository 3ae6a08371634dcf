#!/bin/sh
# floors.sh - a file includes headers of its own floor or below, and an outside library only where it belongs.
#
# Quoted includes name folder/file.h, or file.h of the same folder. Public headers have floors of their own: what a header declares
# is implemented on that floor. The command and the server see public headers and their own folder only; so do the examples.
cd "$(dirname "$0")/../.." || exit 1
grep -n '^[ 	]*#[ 	]*include' include/figment/*.h src/*/*.[ch] src/*/*.def examples/*.c bench/*.c 2>/dev/null |
awk '
BEGIN {
    split("core 1 graph 2 ops 2 autodiff 3 passes 3 exec 4 kernels 4 nn 5 data 5 media 5 interop 5 train 6 sample 6 eval 6 " \
          "registry 6 dist 6 recipes 7 flow 8 cli 9 serve 9", words, " ")
    for (i = 1; i in words; i += 2) floor[words[i]] = words[i + 1]
    # Public headers that lower floors may include; the others are open from the floor of their folder on.
    split("error 1 option 1 json 1 graph 2 autodiff 3 plan 4 data 5 layers 5 model 5", words, " ")
    for (i = 1; i in words; i += 2) public[words[i]] = words[i + 1]
    # Outside libraries and the folders that may see them.
    split("jansson.h core yaml.h core nettle/ core dnnl kernels omp.h kernels png.h media jpeglib.h media jerror.h media webp/ media " \
          "sndfile.h media soxr.h media libav media libsw media zlib.h data,media,interop pcre2.h data utf8proc.h data " \
          "archive data curl/ data protobuf-c/ interop sqlite3.h registry mpi.h dist microhttpd.h serve", words, " ")
    for (i = 1; i in words; i += 2) outside[words[i]] = words[i + 1]
    split("assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic stdbool " \
          "stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype " \
          "dirent dlfcn fcntl fnmatch ftw glob grp langinfo libgen netdb poll pthread pwd sched semaphore spawn strings syslog termios " \
          "unistd cpuid immintrin x86intrin xmmintrin emmintrin pmmintrin getopt alloca byteswap endian malloc link elf", words, " ")
    for (i in words) standard[words[i] ".h"] = 1
}
function complain(text) { print "not ok floors: " file ":" line ": " text; bad++ }
{
    split($0, part, ":"); file = part[1]; line = part[2]
    text = $0; sub(/^[^:]*:[^:]*:[ \t]*#[ \t]*include[ \t]*/, "", text)
    quoted = substr(text, 1, 1) == "\""
    name = text; sub(/^["<]/, "", name); sub(/[">].*/, "", name)
    split(file, place, "/")
    kind = place[1]; folder = place[2]
    if (kind == "src" && !(folder in floor)) { complain("folder src/" folder " has no floor; give it one in tests/checks/floors.sh"); next }
    own = kind == "src" ? floor[folder] : 9
    if (name ~ /^figment\//) {
        base = name; sub(/^figment\//, "", base); sub(/\.h$/, "", base)
        needs = base in public ? public[base] : 6
        if (kind == "include") {
            self = place[3]; sub(/\.h$/, "", self)
            own = self in public ? public[self] : 9
        }
        # figment/use.h and train.h sit on floor 6; nn and data implement parts of model.h, which is floor 5.
        if (own < needs) complain(folder " (floor " own ") includes <" name "> (floor " needs ")")
    } else if (quoted) {
        target = index(name, "/") ? substr(name, 1, index(name, "/") - 1) : folder
        if (kind == "include") complain("a public header includes \"" name "\"; only <figment/...> is allowed")
        else if (kind != "src") complain("includes the internal header \"" name "\"; only <figment/...> is allowed")
        else if (!(target in floor)) complain("\"" name "\" is in no folder of src/")
        else if ((folder == "cli" || folder == "serve") && target != folder) complain(folder "/ sees public headers only, not \"" name "\"")
        else if (floor[target] > own) complain(folder " (floor " own ") includes \"" name "\" (floor " floor[target] ")")
    } else {
        allowed = ""
        for (key in outside) if (index(name, key) == 1) allowed = outside[key]
        if (allowed != "") {
            if (kind != "src" || index("," allowed ",", "," folder ",") == 0) complain("<" name "> belongs to " allowed "/ only")
        } else if (!(name in standard) && name !~ /^(sys|netinet|arpa|linux|net)\//) {
            complain("<" name "> is not a header that tests/checks/floors.sh knows; say there where it belongs")
        }
    }
}
END {
    if (!bad) print "ok floors"
    exit bad > 0
}'
