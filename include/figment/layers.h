/* figment/layers.h - layers: operations that own weights
 *
 * A layer call makes its weights under the current scope and applies them: `h = fig_linear(x, 128, NULL)`. Names are
 * automatic ("linear1", "linear2" ... per scope) or given by .label. Entering a scope again starts the names anew, so a
 * network function that begins with fig_scope_push(g, "discriminator") uses the same weights each time it is called.
 * Calls nest: fig_leaky_relu(fig_batch_norm(fig_linear(z, 12544, &(fig_linear_opts){.no_bias = true}), NULL), 0.3f). */
#ifndef FIGMENT_LAYERS_H
#define FIGMENT_LAYERS_H

#include <figment/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -- initialisers --------------------------------------------------------------------------------------------------- */
/* Kind 0 means the layer's (or the model's, fig_model_default_init) default. fan-in of a convolution weight is
 * kernel area * input channels, fan-out kernel area * output channels; of a transposed convolution, as PyTorch counts,
 * "fan-in" is output channels * kernel area. */
typedef enum fig_init_kind {
    FIG_INIT_DEFAULT,
    FIG_INIT_ZEROS, FIG_INIT_ONES,
    FIG_INIT_CONSTANT,         /* .a */
    FIG_INIT_NORMAL,           /* N(.b, .a^2); a 0 = 0.02 */
    FIG_INIT_TRUNCATED_NORMAL, /* the same, redrawn beyond two deviations */
    FIG_INIT_UNIFORM,          /* [-a, a] */
    FIG_INIT_UNIFORM_FAN_IN,   /* bound 1 / sqrt(fan-in) (PyTorch's default for weights and biases) */
    FIG_INIT_GLOROT_UNIFORM, FIG_INIT_GLOROT_NORMAL, /* Glorot and Bengio 2010 */
    FIG_INIT_HE_UNIFORM, FIG_INIT_HE_NORMAL,         /* He et al. 2015 */
    FIG_INIT_ORTHOGONAL        /* rows or columns orthonormal, times .a (0 = 1) */
} fig_init_kind;
typedef struct fig_init {
    fig_init_kind kind;
    float a, b;
    int64_t fan_in, fan_out; /* 0 = from the shape: (out, ..., in) */
} fig_init;

/* A weight: a trained, exported state named by the current scope and `name`. Asking twice gives the same one. */
FIG_API fig_node fig_param(fig_graph *graph, const char *name, fig_type type, fig_init init);
/* A state that is not trained but saved and exported (running statistics). */
FIG_API fig_node fig_buffer(fig_graph *graph, const char *name, fig_type type, fig_init init);
/* True while the graph is built for training (dropout acts, batch norm uses the batch). */
FIG_API bool fig_is_training(const fig_graph *graph);

/* -- layers ------------------------------------------------------------------------------------------------------------ */

/* Variational dropout (Kingma, Salimans and Welling 2015): noise on the weights while training, its size learned for each weight
 * ("log_variance", (units, in)) or one for all of a layer ("log_alpha"). The bound that is trained has to have fig_model_weight_kl. */
typedef enum fig_weight_noise { FIG_NOISE_NONE, FIG_NOISE_WEIGHT, FIG_NOISE_LAYER } fig_weight_noise;
typedef struct fig_linear_opts {
    bool no_bias;
    fig_init init, bias_init;
    fig_node mask; /* (units, in), times the weight: 0 cuts a connection; none = all stand */
    bool spectral; /* spectral norm: the weight is divided by its largest singular value (Miyato et al. 2018) */
    fig_weight_noise noise;
    const char *label;
} fig_linear_opts;
/* x (..., in) -> (..., units). Weights "weight" (units, in), "bias" (units). */
FIG_API fig_node fig_linear(fig_node x, int64_t units, const fig_linear_opts *opts);

typedef struct fig_conv_layer_opts {
    int stride, dilation, groups; /* 1 */
    int padding;                  /* 0; FIG_PAD_SAME */
    int output_extra;             /* transposed only */
    bool causal;                  /* conv1d: padded before only, so that step t sees no later one; instead of .padding */
    bool no_bias;
    bool spectral;                /* spectral norm of the weight as a matrix (filters, rest) */
    fig_init init, bias_init;
    const char *label;
} fig_conv_layer_opts;
/* x (B, T, C) / (B, H, W, C) / (B, D, H, W, C); square kernel. Weights "weight" (filters, k..., C), transposed (C, k..., filters),
 * and "bias" (filters). */
FIG_API fig_node fig_conv1d(fig_node x, int64_t filters, int kernel, const fig_conv_layer_opts *opts);
FIG_API fig_node fig_conv2d(fig_node x, int64_t filters, int kernel, const fig_conv_layer_opts *opts);
FIG_API fig_node fig_conv3d(fig_node x, int64_t filters, int kernel, const fig_conv_layer_opts *opts);
FIG_API fig_node fig_conv1d_transposed(fig_node x, int64_t filters, int kernel, const fig_conv_layer_opts *opts);
FIG_API fig_node fig_conv2d_transposed(fig_node x, int64_t filters, int kernel, const fig_conv_layer_opts *opts);

typedef struct fig_norm_opts {
    float eps;       /* batch 1e-5 (Keras: 1e-3), layer 1e-5, group 1e-5 */
    float momentum;  /* batch: weight of the new statistics, 0.1 (Keras: 0.01) */
    int groups;      /* group norm: 32, or the largest divisor below */
    bool no_affine, no_bias;
    const char *label;
} fig_norm_opts;
FIG_API fig_node fig_batch_norm(fig_node x, const fig_norm_opts *opts); /* "gamma" "beta" and buffers "mean" "variance" */
FIG_API fig_node fig_layer_norm(fig_node x, const fig_norm_opts *opts);
FIG_API fig_node fig_group_norm(fig_node x, const fig_norm_opts *opts);
FIG_API fig_node fig_instance_norm(fig_node x, const fig_norm_opts *opts);
FIG_API fig_node fig_rms_norm(fig_node x, const fig_norm_opts *opts);

typedef struct fig_gated_opts {
    int dilation;     /* 1 */
    int kernel;       /* 2 */
    int64_t gate;     /* channels inside; as many as x has */
    /* cached steps: x (B, 1, C) is one step; earlier inputs live in a state, a ring of (kernel - 1) dilation steps (B, ring, C);
     * position i32 (B) counts a row's steps from 0, where what the ring holds counts as zeros */
    fig_node position;
    fig_init init, bias_init;
    const char *label;
} fig_gated_opts;
/* Gated residual layer of WaveNet (van den Oord et al. 2016): z = tanh(f) s(g) of a causal dilated convolution [f, g] of x (B, T, C);
 * the result is x + a 1x1 convolution of z. `inside` receives z (B, T, gate), from which skip connections are made: their sum over
 * layers is one product of all z side by side (fig_skip_sum). Weights "dilated.*" and "residual.*". */
FIG_API fig_node fig_gated_layer(fig_node x, const fig_gated_opts *opts, fig_node *inside);
/* Sum of 1x1 convolutions of `count` values (B, T, C): (B, T, filters). Weights "weight" (filters, 1, sum of C), "bias". */
FIG_API fig_node fig_skip_sum(const fig_node *inside, int count, int64_t filters, const fig_conv_layer_opts *opts);

typedef struct fig_embedding_opts { fig_init init; bool spectral; const char *label; } fig_embedding_opts;
/* index i32 (...) -> (..., width). Weight "weight" (count, width). */
FIG_API fig_node fig_embedding(fig_node index, int64_t count, int64_t width, const fig_embedding_opts *opts);

typedef struct fig_recurrent_opts {
    const fig_node *state; /* before the first step: h (B, units), LSTM also c; NULL = zeros */
    fig_node *final;       /* receives the states after the last step; NULL = not wanted */
    int64_t classes;       /* x is i32 (B, T): one of so many classes, as if it were their one-hot vectors */
    bool reverse;          /* from the last step to the first; results keep their places */
    bool reset_before;     /* GRU: the reset gate acts on h before the product (Cho et al. 2014), not on the product */
    bool no_bias;
    fig_init init, recurrent_init, bias_init; /* uniform, bound 1 / sqrt(units) */
    const char *label;
} fig_recurrent_opts;
/* x (B, T, in) -> h of every step (B, T, units). Weights "input.weight" (G units, in) [of classes: (classes, G units)],
 * "recurrent.weight" (G units, units), "input.bias" (G units), GRU also "recurrent.bias" (units) of the candidate; gates G in the
 * order of fig_recurrent. The input products of all steps are one product. */
FIG_API fig_node fig_rnn(fig_node x, int64_t units, const fig_recurrent_opts *opts);
FIG_API fig_node fig_lstm(fig_node x, int64_t units, const fig_recurrent_opts *opts);
FIG_API fig_node fig_gru(fig_node x, int64_t units, const fig_recurrent_opts *opts);

typedef struct fig_attention_opts {
    int heads;
    bool causal, no_bias;
    float dropout;          /* on the attention weights and on the result */
    fig_init init, out_init;
    const char *label;
    /* cached decoding: keys and values of earlier positions live in states (B, heads, cache, width); position i32 (B) says
     * where this step writes. 0 = no cache */
    int64_t cache;
    fig_node position;
} fig_attention_opts;
/* Self-attention x (B, T, C) -> (B, T, C): weights "qkv" and "out". */
FIG_API fig_node fig_self_attention(fig_node x, const fig_attention_opts *opts);

typedef struct fig_block_opts {
    fig_attention_opts attention;
    int64_t hidden; /* 4 * C */
    float dropout;
    bool no_bias;
    fig_init init, out_init;
    const char *label;
} fig_block_opts;
/* Pre-norm Transformer block of GPT-2: x + attention(norm(x)), then x + mlp(norm(x)) with gelu (tanh form). */
FIG_API fig_node fig_transformer_block(fig_node x, const fig_block_opts *opts);

/* Residual block (He et al. 2016, pre-activation): x + conv(act(norm(conv(act(norm(x)))))), 1x1 projection when channels
 * change. */
typedef struct fig_residual_opts { int kernel; int groups; bool no_norm; float dropout; const char *label; } fig_residual_opts;
FIG_API fig_node fig_residual_block(fig_node x, int64_t channels, const fig_residual_opts *opts);

/* -- whole networks for pictures (B, H, W, C) ------------------------------------------------------------------------------- */

/* Sines and cosines of a number per row (B) at `width` / 2 rates from 1 down to 1/10000: (B, width). */
FIG_API fig_node fig_time_embedding(fig_node time, int64_t width);

typedef struct fig_unet_opts {
    int64_t width;      /* channels of the first level; 64 */
    int multipliers[8]; /* of the width, per level, up to the first 0; { 1, 2, 2 } */
    int blocks;         /* residual blocks of a level on the way down, one more on the way up; 2 */
    int attention[8];   /* sides at which blocks are followed by attention, up to the first 0; { 16 }; { -1 } = only in the middle */
    int heads;          /* of the attention; 1 */
    int64_t outputs;    /* channels of the result; as x */
    float dropout;
    fig_node condition; /* (B, 4 width): added to what the time becomes, so that all blocks are told; FIG_NONE */
    bool zero_out;      /* the last weights of every block and of the whole begin at 0: the net begins as 0, its blocks as nothing */
    const char *label;
} fig_unet_opts;
/* The U-Net of diffusion models (Ho et al. 2020): x (B, H, W, C), time (B) -> (B, H, W, outputs). */
FIG_API fig_node fig_unet(fig_node x, fig_node time, const fig_unet_opts *opts);

typedef struct fig_dit_opts {
    int64_t width;      /* of a token; 384 */
    int depth, heads;   /* 12, 6 */
    int patch;          /* side of the squares of pixels that become tokens; 2 */
    int64_t outputs;    /* channels of the result; as x */
    float dropout;
    fig_node condition; /* (B, width): added to what the time becomes; FIG_NONE */
    const char *label;
} fig_dit_opts;
/* The Transformer of diffusion models (Peebles and Xie 2022, adaLN-zero), which begins as 0: x (B, H, W, C), time (B) -> (B, H, W,
 * outputs). */
FIG_API fig_node fig_dit(fig_node x, fig_node time, const fig_dit_opts *opts);

typedef struct fig_resnet_generator_opts {
    int64_t width, outputs; /* 64; as x */
    int blocks;             /* 6 */
    const char *label;
} fig_resnet_generator_opts;
/* Picture to picture (Johnson et al. 2016), values in [-1, 1]: halves twice, residual blocks, doubles twice. */
FIG_API fig_node fig_resnet_generator(fig_node x, const fig_resnet_generator_opts *opts);

typedef struct fig_patch_critic_opts {
    int64_t width; /* 64 */
    int halvings;  /* 3 */
    const char *label;
} fig_patch_critic_opts;
/* One logit for each overlapping patch (Isola et al. 2017): (B, H, W, C) -> (B, h, w, 1). */
FIG_API fig_node fig_patch_critic(fig_node x, const fig_patch_critic_opts *opts);

/* -- losses: per example (B), on logits ------------------------------------------------------------------------------------- */

/* KL( N(mean, exp(log_variance)) || N(0, I) ) in nats, summed over all axes but the first. */
FIG_API fig_node fig_kl_unit_gaussian(fig_node mean, fig_node log_variance);
/* Sum over an example of binary cross-entropy. */
FIG_API fig_node fig_bernoulli_nll(fig_node logits, fig_node target);
/* -log N(target; mean, exp(log_variance)), summed over an example; log_variance broadcasts. */
FIG_API fig_node fig_gaussian_nll(fig_node target, fig_node mean, fig_node log_variance);
FIG_API fig_node fig_squared_error(fig_node a, fig_node b); /* summed over an example */

/* What a player of an adversarial game wants its logits to be taken for. */
typedef enum fig_goal { FIG_GOAL_REAL, FIG_GOAL_FAKE } fig_goal;
typedef enum fig_adversarial { FIG_NON_SATURATING, FIG_LEAST_SQUARES, FIG_HINGE, FIG_WASSERSTEIN, FIG_WGAN_GP } fig_adversarial;
#define FIG_ADVERSARIAL_CHOICES "non-saturating least-squares hinge wasserstein wgan-gp"
/* The critic's loss on logits (B) of samples that are real or fake, per example. */
FIG_API fig_node fig_critic_loss(fig_adversarial kind, fig_node logits, fig_goal what_they_are);
/* The generator's loss on logits (B) of its samples; its goal is always "real". */
FIG_API fig_node fig_generator_loss(fig_adversarial kind, fig_node logits);
/* (||d critic(x) / d x|| - 1)^2 per example at given points x, logits = critic(x) (Gulrajani et al. 2017). */
FIG_API fig_node fig_gradient_penalty(fig_node logits, fig_node x);
/* ||d critic(x) / d x||^2 / 2 per logit, at real examples x (R1, Mescheder et al. 2018). Where a logit judges several examples, as in
 * a pack, both penalties take their gradients together: one number per logit. */
FIG_API fig_node fig_r1_penalty(fig_node logits, fig_node x);

#ifdef __cplusplus
}
#endif
#endif
