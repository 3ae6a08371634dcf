/* test_core_random.c - Philox against the published vectors, the frozen mapping, and the sequential generator */
#include "test.h"
#include "core/core.h"

FIG_TEST(philox_known_answers) /* Random123, kat_vectors, philox4x32 10 */
{
    static const struct { uint32_t counter[4], key[2], answer[4]; } known[] = {
        { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff }, { 0xffffffff, 0xffffffff },
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 }, { 0xa4093822, 0x299f31d0 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t out[4];
        fig__philox_block(known[i].counter, known[i].key, out);
        for (int j = 0; j < 4; j++)
            CHECK_INT(out[j], known[i].answer[j]);
    }
}

FIG_TEST(mapping_is_key_and_counter)
{
    uint32_t key[2], out[4], direct[4];
    uint32_t counter[4] = { 0x55667788, 0x11223344, 7, 9 };
    fig__philox_key(1, 2, key);
    fig__philox_block(counter, key, direct);
    fig__philox(1, 2, UINT64_C(9) << 32 | 7, 0x1122334455667788, out);
    CHECK(!memcmp(out, direct, sizeof out));
    /* Neither seed nor stream may be swapped or merged. */
    uint32_t other[4];
    fig__philox(2, 1, UINT64_C(9) << 32 | 7, 0x1122334455667788, other);
    CHECK(memcmp(out, other, sizeof out) != 0);
    fig__philox(1, 3, UINT64_C(9) << 32 | 7, 0x1122334455667788, other);
    CHECK(memcmp(out, other, sizeof out) != 0);
}

FIG_TEST(mapping_never_changes) /* saved runs and published samples rest on these bits */
{
    uint32_t out[4];
    fig__philox(1, 2, 3, 4, out);
    CHECK_INT(out[0], 3668119918u);
    CHECK_INT(out[3], 2078086920u);
}

FIG_TEST(below_is_bounded_and_even)
{
    fig__rng rng = { 5 };
    int counts[7] = { 0 };
    for (int i = 0; i < 70000; i++) {
        uint64_t value = fig__rng_below(&rng, 7);
        REQUIRE(value < 7);
        counts[value]++;
    }
    for (int i = 0; i < 7; i++)
        CHECK_NEAR(counts[i], 10000, 500);
    CHECK_INT(fig__rng_below(&rng, 1), 0);
    for (int i = 0; i < 100; i++)
        CHECK(fig__rng_below(&rng, (UINT64_C(1) << 63) + 1) <= UINT64_C(1) << 63);
}

FIG_TEST(splitmix_known_answer)
{
    fig__rng rng = { 0 };
    CHECK(fig__rng_next(&rng) == 0xe220a8397b1dcdafu);
    CHECK(fig__rng_next(&rng) == 0x6e789e6aa1b965f4u);
}

FIG_TEST(normal_has_mean_zero_and_variance_one)
{
    fig__rng rng = { 11 };
    double sum = 0, squares = 0;
    enum { N = 100000 };
    for (int i = 0; i < N; i++) {
        double x = fig__rng_normal(&rng);
        sum += x;
        squares += x * x;
    }
    CHECK_NEAR(sum / N, 0, 0.015);
    CHECK_NEAR(squares / N, 1, 0.02);
}

FIG_TEST_MAIN
