/* test_core_hash.c - published answers of SHA-256, XXH64 and CRC-32C; the same in pieces and from a file */
#include "test.h"
#include "core/core.h"
#include <unistd.h>

FIG_TEST(sha256_known_answers) /* FIPS 180-4 examples */
{
    char hex[65];
    fig__sha256_of("", 0, hex);
    CHECK_TEXT(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    fig__sha256_of("abc", 3, hex);
    CHECK_TEXT(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    fig__sha256 *sha = fig__sha256_new();
    char block[1000];
    memset(block, 'a', sizeof block);
    for (int i = 0; i < 1000; i++)
        fig__sha256_update(sha, block, sizeof block);
    fig__sha256_finish(sha, hex);
    CHECK_TEXT(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

FIG_TEST(sha256_of_a_file)
{
    char path[] = "hash-XXXXXX", hex[65], expected[65];
    int file = mkstemp(path);
    REQUIRE(file >= 0);
    static char block[300000];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)(i * 7);
    CHECK(write(file, block, sizeof block) == (ssize_t)sizeof block);
    close(file);
    fig_error err = { 0 };
    CHECK_OK(fig__sha256_file(path, hex, &err), err);
    fig__sha256_of(block, sizeof block, expected);
    CHECK_TEXT(hex, expected);
    unlink(path);
    CHECK_FAILS(fig__sha256_file(path, hex, &err), err, FIG_E_NOT_FOUND, path);
}

FIG_TEST(hash64_known_answers) /* XXH64 of the reference implementation */
{
    CHECK(fig__hash64("", 0, 0) == 0xEF46DB3751D8E999u);
    CHECK(fig__hash64("a", 1, 0) == 0xD24EC4F1A98C6E5Bu);
    CHECK(fig__hash64("abc", 3, 0) == 0x44BC2CF5AD770999u);
    CHECK(fig__hash64("Nobody inspects the spammish repetition", 39, 0) == 0xFBCEA83C8A378BF1u);
    CHECK(fig__hash64("abc", 3, 1) != fig__hash64("abc", 3, 0));
}

FIG_TEST(crc32c_known_answers) /* RFC 3720, appendix B.4 */
{
    uint8_t bytes[32];
    CHECK_INT(fig__crc32c("123456789", 9, 0), 0xE3069283u);
    memset(bytes, 0, 32);
    CHECK_INT(fig__crc32c(bytes, 32, 0), 0x8A9136AAu);
    memset(bytes, 0xff, 32);
    CHECK_INT(fig__crc32c(bytes, 32, 0), 0x62A8AB43u);
    for (int i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    CHECK_INT(fig__crc32c(bytes, 32, 0), 0x46DD794Eu);
    for (size_t cut = 0; cut <= 32; cut++) {
        CHECK_INT(fig__crc32c(bytes + cut, 32 - cut, fig__crc32c(bytes, cut, 0)), 0x46DD794Eu);
        CHECK_INT(fig__crc32c_table(bytes + cut, 32 - cut, fig__crc32c_table(bytes, cut, 0)), 0x46DD794Eu);
    }
}

FIG_TEST_MAIN
