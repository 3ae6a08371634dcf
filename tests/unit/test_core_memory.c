/* test_core_memory.c - arenas, the heap, big pages, the machine, clocks and the log hook */
#include "test.h"
#include "core/core.h"

FIG_TEST(arena_memory_is_aligned_zeroed_and_apart)
{
    fig__arena *arena = fig__arena_new();
    enum { N = 3000 };
    static unsigned char *blocks[N];
    static size_t sizes[N];
    fig__rng rng = { 1 };
    for (int i = 0; i < N; i++) {
        sizes[i] = i % 500 == 0 ? (size_t)fig__rng_below(&rng, 3000000) : (size_t)fig__rng_below(&rng, 200);
        blocks[i] = fig__arena_alloc(arena, sizes[i]);
        REQUIRE(blocks[i] != NULL);
        REQUIRE((uintptr_t)blocks[i] % 16 == 0);
        for (size_t k = 0; k < sizes[i]; k++)
            REQUIRE(blocks[i][k] == 0);
        memset(blocks[i], i & 0xff, sizes[i]);
    }
    for (int i = 0; i < N; i++)
        for (size_t k = 0; k < sizes[i]; k++)
            REQUIRE(blocks[i][k] == (i & 0xff));
    fig__arena_free(arena);
    fig__arena_free(NULL);
}

FIG_TEST(arena_text)
{
    fig__arena *arena = fig__arena_new();
    CHECK_TEXT(fig__arena_text(arena, "abc"), "abc");
    CHECK(fig__arena_text(arena, NULL) == NULL);
    CHECK_TEXT(fig__arena_format(arena, "%s-%d", "x", 5), "x-5");
    double *numbers = FIG_NEW_ARRAY(arena, double, 4);
    CHECK(numbers[3] == 0);
    fig__arena_free(arena);
}

FIG_TEST(heap)
{
    char *text = fig__format("%d.%d", 1, 2);
    CHECK_TEXT(text, "1.2");
    char *copy = fig__strdup(text);
    CHECK_TEXT(copy, "1.2");
    CHECK(fig__strdup(NULL) == NULL);
    copy = fig__realloc(copy, 1000);
    CHECK_TEXT(copy, "1.2");
    free(copy);
    free(text);
    void *empty = fig__alloc(0);
    CHECK(empty != NULL);
    free(empty);
}

FIG_TEST(pages_are_aligned_zeroed_and_writable)
{
    static const size_t sizes[] = { 0, 1, 64, 5000, 2 << 20, (2 << 20) + 1, 9999999 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        fig_error err = { 0 };
        void *block;
        REQUIRE_OK(fig__pages_new(sizes[i], &block, &err), err);
        CHECK((uintptr_t)block % 64 == 0);
        unsigned char *bytes = block;
        for (size_t k = 0; k < sizes[i]; k += 509)
            REQUIRE(bytes[k] == 0);
        memset(bytes, 1, sizes[i]);
        fig__pages_free(block, sizes[i]);
    }
    fig__pages_free(NULL, 100);
}

FIG_TEST(pages_that_cannot_be_had_are_refused)
{
    fig_error err = { 0 };
    void *block = &err;
    CHECK_FAILS(fig__pages_new((size_t)1 << 50, &block, &err), err, FIG_E_LIMIT, "available");
    CHECK(block == NULL);
    CHECK_FAILS(fig__pages_new(SIZE_MAX, &block, &err), err, FIG_E_LIMIT, "smaller batch");
}

FIG_TEST(machine)
{
    const fig__machine *machine = fig__machine_get();
    CHECK(machine == fig__machine_get());
    CHECK(machine->threads >= 1);
    CHECK(machine->cpu[0] != 0 && machine->cpu[0] != ' ');
    CHECK(!strcmp(machine->isa, "avx512") || !strcmp(machine->isa, "avx2") || !strcmp(machine->isa, "sse"));
    CHECK(!machine->avx512_bf16 || machine->avx512);
    uint64_t available = fig__memory_available();
    CHECK(available > 1 << 20 && available < UINT64_C(1) << 50);
}

FIG_TEST(clocks)
{
    double first = fig__seconds(), second = fig__seconds();
    CHECK(second >= first);
    char now[32];
    fig__utc_now(now);
    CHECK_INT(strlen(now), 20);
    CHECK(now[4] == '-' && now[10] == 'T' && now[19] == 'Z');
}

static void keep(void *user, int level, const char *message)
{
    snprintf(user, 100, "%d %.90s", level, message);
}

FIG_TEST(log_goes_to_the_hook_up_to_its_level)
{
    char kept[100] = "";
    fig__log log = { .hook = keep, .user = kept, .level = FIG_LOG_WARNING };
    fig__log_print(&log, FIG_LOG_INFO, "quiet");
    CHECK_TEXT(kept, "");
    fig__log_print(&log, FIG_LOG_WARNING, "loss is %g", 2.5);
    CHECK_TEXT(kept, "1 loss is 2.5");
    fig__log_print(NULL, FIG_LOG_ERROR, "nobody");
    fig__log_print(&(fig__log){ 0 }, FIG_LOG_ERROR, "nobody");
}

FIG_TEST_MAIN
