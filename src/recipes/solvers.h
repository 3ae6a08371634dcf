/* recipes/solvers.h - how samples are made from what a denoiser guesses: host loops over step graphs
 *
 * Each call declares one sampler. All begin sample i with the same noise, so that they can be compared picture by picture. */
#ifndef FIG_RECIPES_SOLVERS_H
#define FIG_RECIPES_SOLVERS_H

#include "recipes/denoiser.h"

enum { FIG__MOST_STEPS = 1000 }; /* of a sampler; more than any schedule has use for */

/* -- flows: the guess is a velocity, t goes from 0 (noise) to 1 (data) in equal steps ----------------------------------- */

#define FIG__FLOW_SAMPLERS "euler heun"
enum { FIG__EULER, FIG__HEUN };
void fig__solve_flow(const fig__denoiser *d, int kind, int count); /* in so many steps */

/* -- diffusion: x(t) = signal(t) example + noise(t) N(0, 1), signal^2 + noise^2 = 1, at times 0 (hardly noisy) to T - 1 ------- */

enum { FIG__MOST_TIMES = 4000 };
#define FIG__NOISE_CHOICES "linear cosine"
enum { FIG__NOISE_LINEAR, FIG__NOISE_COSINE };
typedef struct fig__noise_schedule {
    int times; /* T */
    double signal[FIG__MOST_TIMES], noise[FIG__MOST_TIMES];
} fig__noise_schedule;
/* linear (Ho et al. 2020): beta from 1e-4 to 0.02 at T = 1000, times 1000 / T at others; cosine (Nichol and Dhariwal 2021). */
void fig__noise_schedule_fill(fig__noise_schedule *out, int kind, int times);

#define FIG__PREDICT_CHOICES "noise velocity sample"
enum { FIG__PREDICT_NOISE, FIG__PREDICT_VELOCITY, FIG__PREDICT_SAMPLE };
/* The example that a guess implies at a place x; signal and noise broadcast. velocity = signal e - noise example, e the noise
 * (Salimans and Ho 2022). */
fig_node fig__implied_sample(int predict, fig_node guess, fig_node x, fig_node signal, fig_node noise);

#define FIG__DIFFUSION_SAMPLERS "ddim ancestral dpm++"
enum { FIG__DDIM, FIG__ANCESTRAL, FIG__DPM };
/* One step of any of them: x <- keep x + clean guess + earlier (guess of the step before) + fresh N(0, 1), where the guess is of the
 * example. */
typedef struct fig__denoise_step { double time, signal, noise, keep, clean, earlier, fresh; } fig__denoise_step;
/* Fills `count` <= times steps, at evenly spread times from T - 1 down. eta: DDIM's share of fresh noise. */
void fig__denoise_steps(const fig__noise_schedule *schedule, int kind, double eta, int count, fig__denoise_step *out);

typedef struct fig__diffusion {
    const fig__noise_schedule *schedule;
    int predict;
    double eta;
    bool clip; /* guesses of pictures are clipped to their range */
} fig__diffusion;
void fig__solve_diffusion(const fig__denoiser *d, const fig__diffusion *how, int kind, int count);

#endif
