/* figment/data.h - data sets: opening, looking at, and reading in batches
 *
 * `fig_data_open` takes a catalogue name ("mnist"), a file or a folder, or "kind:PATH" ("idx:DIR", "text:FILE"), or
 * "synthetic:NAME", and finds the kind from the content. A recipe then says what it needs (fig_data_request: size, range,
 * tokenizer), `fig_data_prepare` settles it, and loaders deliver batches: named tensors, rows of one size. Corrupt items
 * are skipped, counted and named; a data set with nothing left is an error. */
#ifndef FIGMENT_DATA_H
#define FIGMENT_DATA_H

#include <figment/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fig_data_kind { FIG_DATA_NONE = 0, FIG_DATA_IMAGES = 1, FIG_DATA_TEXT = 2, FIG_DATA_POINTS = 4 } fig_data_kind;
/* Pictures in two values, low and high: each pixel on with the chance that its grey level says, drawn anew each time it is read
 * (dynamic), or on from half of the range up (threshold). Scoring draws once: the same picture is always the same. */
typedef enum fig_binarise { FIG_BINARISE_NONE, FIG_BINARISE_DYNAMIC, FIG_BINARISE_THRESHOLD } fig_binarise;
/* How a picture of another shape is brought to a size: scaled to cover it and the middle cut out; scaled to fit into it, the
 * rest background; stretched; or cut out of the middle without scaling (scaled up only where it is too small). */
typedef enum fig_resize { FIG_RESIZE_COVER, FIG_RESIZE_FIT, FIG_RESIZE_STRETCH, FIG_RESIZE_CROP } fig_resize;
/* What the numbers of pictures meant before they became bytes: bytes already; or floating numbers in 0..1, -1..1 or 0..255. */
typedef enum fig_values { FIG_VALUES_BYTES, FIG_VALUES_UNIT, FIG_VALUES_SIGNED, FIG_VALUES_LEVELS } fig_values;
typedef enum fig_split { FIG_TRAIN_SPLIT, FIG_VALIDATION_SPLIT, FIG_TEST_SPLIT, FIG_SPLITS } fig_split;

typedef struct fig_data fig_data;
struct fig_picture;
typedef struct fig_tokenizer fig_tokenizer;

typedef struct fig_data_open_opts {
    bool offline;                                                /* never fetch */
    void (*progress)(void *user, const char *what, double done); /* fetching and indexing; done in 0..1, < 0 unknown */
    void (*warn)(void *user, const char *message);               /* one line per skipped item, at most 10, then a count */
    void *user;
    bool (*cancelled)(void *user);
} fig_data_open_opts;
FIG_API fig_status fig_data_open(const char *name, const fig_data_open_opts *opts, fig_data **out, fig_error *err);
FIG_API void fig_data_free(fig_data *data);

/* What was found, before any request. Texts belong to the data. */
typedef struct fig_data_info {
    fig_data_kind kind;
    const char *name, *source, *path; /* "fashion-mnist"; record that reads it ("idx"); where it lies */
    int64_t items[FIG_SPLITS];        /* pictures, points, or bytes of text, as the source splits them (0 = no such split) */
    int height, width, channels;      /* pictures: of the first item */
    bool mixed_sizes;
    fig_values values;                /* pictures in arrays of floating numbers: one range for all splits */
    int classes;
    const char *const *class_names;   /* NULL where there are only numbers */
    int dimensions;                   /* points */
    int64_t skipped;                  /* corrupt or unreadable items */
    const char *const *skipped_names; /* the first 100 */
    int skipped_named;
} fig_data_info;
FIG_API const fig_data_info *fig_data_get_info(const fig_data *data);

/* What a model needs. Zero = as the data is. */
typedef struct fig_data_request {
    unsigned kinds;              /* accepted kinds, or-ed; other data is refused with a message */
    int height, width, channels; /* pictures are resized (short side) and centre-cropped, converted grey <-> RGB */
    float low, high;             /* range of pixel values; both 0 means 0..1 */
    fig_binarise binarise;       /* pictures */
    fig_resize resize;           /* pictures of another shape */
    const unsigned char *background; /* red, green, blue below what is transparent and beside what does not fit; NULL = white */
    const char *tokenizer;       /* text: "char" (default) or "byte" */
    int context;                 /* text: tokens per window; an item is context + 1 tokens */
    bool standardise;            /* points: per column to mean 0, deviation 1, undone when sampling */
    bool standardise_pictures;   /* the same per channel, on top of low and high; for models whose values have no fixed range */
    bool any_range;              /* a recipe's word that its pictures may be standardised; prepare does not look at it */
    double validation;           /* fraction of train kept aside, 0..0.5; text: the last part. A source's own split wins */
    double test;                 /* points and pictures: another fraction for a test split, where the source has none */
} fig_data_request;

/* What was settled: with the model file this is all that sampling needs. Written to and read from JSON. */
typedef struct fig_data_spec {
    fig_data_kind kind;
    int height, width, channels;
    float low, high;
    fig_binarise binarise;
    fig_resize resize;
    unsigned char background[3];
    int classes;
    char **class_names;       /* classes entries or NULL; owned by the spec */
    int context, vocabulary;
    fig_tokenizer *tokenizer; /* owned by the spec */
    int dimensions;
    fig_values values;        /* of the pictures that were trained on */
    double *offset, *scale;   /* points, one per column; pictures, one per channel: value = stored * scale + offset; NULL =
                                 as is; owned */
    double validation, test;
    int64_t items;            /* of the training split; 0 = not known: a model file does not say */
    char data_hash[65];       /* SHA-256 over the content that was indexed */
    char name[128];
} fig_data_spec;
FIG_API fig_status fig_data_prepare(fig_data *data, const fig_data_request *request, fig_error *err);
/* The same by the spec of a model that exists, for scoring it on any data: its size, range, vocabulary and offsets are used,
 * classes are matched by name, characters outside the vocabulary are left out with a warning. */
FIG_API fig_status fig_data_prepare_like(fig_data *data, const fig_data_spec *spec, fig_error *err);
FIG_API const fig_data_spec *fig_data_get_spec(const fig_data *data); /* after prepare; belongs to the data */
FIG_API int64_t fig_data_items(const fig_data *data, fig_split split);  /* after prepare; text: windows that do not overlap */
/* The least and the largest value that a stored pixel can have: low and high, or what standardising makes of them. */
FIG_API void fig_data_spec_range(const fig_data_spec *spec, float *low, float *high);
FIG_API char *fig_data_spec_to_json(const fig_data_spec *spec);         /* heap text */
FIG_API fig_status fig_data_spec_from_json(const char *json, fig_data_spec **out, fig_error *err);
FIG_API fig_data_spec *fig_data_spec_copy(const fig_data_spec *spec);
FIG_API void fig_data_spec_free(fig_data_spec *spec);

/* -- tokenizers -------------------------------------------------------------------------------------------------------- */
FIG_API int fig_tokenizer_size(const fig_tokenizer *tokenizer);
/* Tokens of UTF-8 text into ids (at most max); returns the count, or -1 with err for a character outside the vocabulary. */
FIG_API int64_t fig_tokenizer_encode(const fig_tokenizer *tokenizer, const char *text, int64_t length, int32_t *ids,
                                     int64_t max, fig_error *err);
FIG_API const char *fig_tokenizer_piece(const fig_tokenizer *tokenizer, int32_t id, int *length); /* bytes of a token */

/* -- loaders ------------------------------------------------------------------------------------------------------------- */

/* Fields by kind - pictures: "image" f32 (H, W, C), "label" i32 (); text: "tokens" i32 (context + 1); points: "point" f32 (D),
 * "label" i32 (). Always "weight" f32 (): 1, or 0 for rows that only fill up the last batch. */
typedef enum fig_order {
    FIG_ORDER_SHUFFLED,    /* every item once an epoch, order a function of (seed, epoch); text: windows at random places */
    FIG_ORDER_SEQUENTIAL,  /* in order; text: windows that do not overlap */
    FIG_ORDER_REPLACEMENT, /* drawn with replacement */
    FIG_ORDER_BALANCED     /* drawn with replacement, every class equally often; items without a class count as one more */
} fig_order;
/* Random changes of training pictures. Each is a function of the loader's seed, the epoch and the item (of batch and row in
 * orders with replacement), so a resumed run sees the same pictures. All zero = none. */
typedef enum fig_flip { FIG_FLIP_NONE, FIG_FLIP_ACROSS, FIG_FLIP_DOWN, FIG_FLIP_BOTH } fig_flip;
typedef struct fig_augment {
    fig_flip flip;   /* mirrored left-right, top-bottom, or each, half of the time */
    int crop;        /* moved by up to so many pixels in each direction; what is missing is mirrored at the edge */
    float rotation;  /* turned by up to so many degrees */
    float scale;     /* enlarged or shrunk by a factor of up to 1 + this */
    float colour;    /* brightness, contrast and saturation changed by up to this share each */
} fig_augment;
typedef struct fig_loader_opts {
    fig_split split;
    fig_order order;
    int batch;
    uint64_t seed;
    bool drop_last;      /* leave out the last, smaller batch; otherwise it is filled up with rows of weight 0 */
    int64_t epoch_batches; /* batches an epoch; 0 = a pass over the data (text, shuffled: items / batch) */
    int threads;         /* decoding threads; 0 = 1 */
    const char *key;     /* mixed into the order, so that several inputs draw independently */
    const fig_augment *augment; /* pictures; copied; NULL = none */
    int64_t labelled;    /* only so many items, the same number of each class, a function of the seed; 0 = all */
    bool natural;        /* pictures in low..high even where the model is given standardised ones: for scoring */
    bool still;          /* what is drawn for an item (binarise) depends on the item alone, not on seed and batch: for scoring */
} fig_loader_opts;
typedef struct fig_loader fig_loader;
/* The data must outlive its loaders and not be prepared again while they are there. */
FIG_API fig_status fig_loader_new(fig_data *data, const fig_loader_opts *opts, fig_loader **out, fig_error *err);
FIG_API void fig_loader_free(fig_loader *loader);
FIG_API int64_t fig_loader_epoch_batches(const fig_loader *loader);
/* Places the loader so that the next batch is number `batch` since the beginning (a resume costs nothing). */
FIG_API void fig_loader_seek(fig_loader *loader, uint64_t batch);
/* The next batch: fields are pointers to (batch, ...) tensors, valid until the next call. Prefetched by own threads. */
typedef struct fig_batch {
    int rows, real_rows;   /* rows with weight 1 */
    uint64_t number;       /* batch number since the beginning */
    int fields;
    const char *name[8];
    fig_type type[8];      /* with the batch axis */
    const void *data[8];
} fig_batch;
FIG_API fig_status fig_loader_next(fig_loader *loader, const fig_batch **batch, fig_error *err);
/* A field by its name ("image", "label", "point" ...), with its type (NULL = not asked for); NULL = the batch has none. */
FIG_API const void *fig_batch_field(const fig_batch *batch, const char *name, fig_type *type);
FIG_API double fig_loader_waited(const fig_loader *loader); /* seconds that next() has waited for the threads, in all */

/* -- looking at data ------------------------------------------------------------------------------------------------------ */
/* Statistics, ranges, class counts, duplicates, corrupt and suspicious items as a JSON document "figment.data/1". With
 * check = true the whole of it is decoded and findings are listed ("findings": [{"severity","what","items"}]). */
FIG_API fig_status fig_data_report(fig_data *data, bool check, char **json, fig_error *err);
/* A picture data set on one sheet: examples by class, mean and spread, levels, items per class. Pictures only. */
FIG_API fig_status fig_data_overview(fig_data *data, struct fig_picture *out, fig_error *err);
/* The catalogue (share/catalogue.yaml): names, kinds, sizes, licences and whether they are in the cache: "figment.catalogue/1". */
FIG_API fig_status fig_data_catalogue(char **json, fig_error *err);
/* Fetches a catalogue entry into the cache (resumes, checks SHA-256); path is heap text. */
FIG_API fig_status fig_data_get(const char *name, const fig_data_open_opts *opts, char **path, fig_error *err);

/* -- pictures ---------------------------------------------------------------------------------------------------------------- */
/* 8-bit interleaved picture, 1, 3 or 4 channels; free with fig_picture_free. */
typedef struct fig_picture { int width, height, channels; uint8_t *pixels; } fig_picture;
FIG_API fig_status fig_picture_load(const char *path, fig_picture *out, fig_error *err); /* PNG, JPEG, WebP */
FIG_API fig_status fig_picture_save(const fig_picture *picture, const char *path, fig_error *err); /* PNG, atomic */
FIG_API void fig_picture_free(fig_picture *picture);
/* Contact sheet of n pictures (n, H, W, C) f32 in low..high: `columns` wide, `gap` pixels of grey between and around,
 * each cell enlarged `zoom` times (0 = so that the sheet is 256 to 1,000 pixels wide). */
FIG_API fig_status fig_picture_sheet(const float *pictures, int n, int height, int width, int channels, float low, float high,
                                     int columns, int gap, int zoom, fig_picture *out, fig_error *err);

#ifdef __cplusplus
}
#endif
#endif
