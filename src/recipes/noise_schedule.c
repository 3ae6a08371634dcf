/* recipes/noise_schedule.c - diffusion's arithmetic: how noisy each time is, and the coefficients of samplers' steps
 *
 * With a the signal and s the noise now, a' and s' after the step, x the sample, g the guess of the example, (x - a g) / s is the guess of
 * the noise in x. Every sampler is x' = keep x + clean g + earlier (g of the step before) + fresh z:
 *
 *     ddim       (Song et al. 2020)  fresh = eta (s'/s) sqrt(1 - a^2/a'^2),  keep = sqrt(s'^2 - fresh^2) / s,  clean = a' - a keep
 *     ancestral  (Ho et al. 2020)    the same with eta = 1: at steps of one time, the posterior q(x' | x, g)
 *     dpm++      (Lu et al. 2022, "2M")  keep = s'/s,  clean + earlier = -a' (e^-h - 1) with h the step in log(a/s); the guess is
 *                carried on in a line from the step before, r = (h of the step before) / h:  g + (g - g before) / (2 r)
 *
 * The last step ends without noise: a' = 1, s' = 0, and x' is the guess. */
#include "recipes/solvers.h"
#include <math.h>

/* Share of the variance that is left after so much of all time; f(0) is not 1. */
static double cosine_left(double share)
{
    double angle = (share + 0.008) / 1.008 * 1.57079632679489661923;
    return cos(angle) * cos(angle);
}

static double beta_at(int kind, int time, int times)
{
    if (kind == FIG__NOISE_COSINE)
        return fmin(1 - cosine_left((time + 1.0) / times) / cosine_left((double)time / times), 0.999);
    double scale = 1000.0 / times, low = 1e-4 * scale, high = fmin(0.02 * scale, 0.999);
    return low + (high - low) * (times > 1 ? (double)time / (times - 1) : 0);
}

void fig__noise_schedule_fill(fig__noise_schedule *s, int kind, int times)
{
    double left = 1;
    s->times = times;
    for (int t = 0; t < times; t++) {
        left *= 1 - beta_at(kind, t, times);
        s->signal[t] = sqrt(left);
        s->noise[t] = sqrt(1 - left);
    }
}

static int time_of(const fig__noise_schedule *s, int count, int row)
{
    return (int)lround((double)s->times * (count - row) / count) - 1;
}

static void ddim_step(fig__denoise_step *now, double signal, double noise, double eta)
{
    double a = now->signal, s = now->noise;
    now->fresh = noise > 0 ? eta * noise / s * sqrt(fmax(1 - a * a / (signal * signal), 0)) : 0;
    now->keep = sqrt(fmax(noise * noise - now->fresh * now->fresh, 0)) / s;
    now->clean = signal - a * now->keep;
}

/* `before` is the step before, NULL for the first: that one, and the last, which has no end in log(a/s), are of first order. */
static void dpm_step(fig__denoise_step *now, const fig__denoise_step *before, double signal, double noise)
{
    now->keep = noise / now->noise;
    if (noise <= 0) {
        now->clean = signal;
        return;
    }
    double here = log(now->signal / now->noise), h = log(signal / noise) - here;
    double all = -signal * expm1(-h);
    if (before) {
        double r = (here - log(before->signal / before->noise)) / h;
        now->earlier = -all / (2 * r);
    }
    now->clean = all - now->earlier;
}

void fig__denoise_steps(const fig__noise_schedule *s, int kind, double eta, int count, fig__denoise_step *out)
{
    for (int row = 0; row < count; row++) {
        int time = time_of(s, count, row), next = row + 1 < count ? time_of(s, count, row + 1) : -1;
        double signal = next < 0 ? 1 : s->signal[next], noise = next < 0 ? 0 : s->noise[next];
        out[row] = (fig__denoise_step){ .time = (double)time / s->times, .signal = s->signal[time], .noise = s->noise[time] };
        if (kind == FIG__DPM)
            dpm_step(&out[row], row ? &out[row - 1] : NULL, signal, noise);
        else
            ddim_step(&out[row], signal, noise, kind == FIG__ANCESTRAL ? 1 : eta);
    }
}
