/* Images are made row by row, each row when the next layer asks for it: a row of the last layer asks for the rows that
 * its filter sees, which ask for those that theirs see. What one layer writes, the next one reads from a near cache,
 * and an image takes the memory of a few of its rows. */
#include "base/memory.h"
#include "kernel/gated.h"

/* Rows before pooling that `rows` rows of a stage's output are made of. */
static int64_t unpooled(const nke_gated_stage *stage, int64_t rows)
{
  return rows * nke_max(stage->pool_h, 1);
}

/* Rows [*begin, *end) of the input that row y before pooling looks at. */
static void look_at(const nke_gated_stage *stage, int64_t y, int64_t *begin, int64_t *end)
{
  const nke_taps *const taps = &stage->taps;
  *begin = y;
  *end = y + 1;
  if (taps->n == 0) return;
  const int64_t width = stage->in->shape.width;
  const int64_t count = taps->n * (stage->layer ? stage->layer->in.width : stage->out.shape.width);
  *begin = stage->in->shape.height;
  *end = 0;
  for (int64_t i = y * count; i < (y + 1) * count; i++) {
    if (taps->pixel[i] < 0) continue;
    *begin = nke_min(*begin, taps->pixel[i] / width);
    *end = nke_max(*end, taps->pixel[i] / width + 1);
  }
}

/* in_begin and in_end of a stage. */
static nke_status look_ahead(nke_gated_plan *plan, nke_gated_stage *stage)
{
  nke_status st = NKE_OK;
  const int64_t rows = unpooled(stage, stage->out.shape.height);
  NKE_TRY(nke_alloc(rows, sizeof *stage->in_begin, "rows of a layer", &stage->in_begin));
  NKE_TRY(nke_alloc(rows, sizeof *stage->in_end, "rows of a layer", &stage->in_end));
  plan->bytes += 2 * rows * (int64_t)sizeof *stage->in_begin;
  for (int64_t y = 0; y < rows; y++) look_at(stage, y, &stage->in_begin[y], &stage->in_end[y]);
  for (int64_t y = 1; y < rows; y++) stage->in_end[y] = nke_max(stage->in_end[y], stage->in_end[y - 1]);
  for (int64_t y = rows - 2; y >= 0; y--) stage->in_begin[y] = nke_min(stage->in_begin[y], stage->in_begin[y + 1]);
done:
  return st;
}

/* Rows that an image keeps for its one reader; all of them where two layers read it, each at its own pace. */
static int64_t rows_to_keep(const nke_gated_plan *plan, const nke_image *image)
{
  int64_t most = 1, readers = 0;
  for (int i = 0; i < plan->n_stages; i++) {
    const nke_gated_stage *const stage = plan->stages[i];
    readers += (stage->in == image) + (stage->other == image);
    for (int64_t y = 0; stage->in == image && y < unpooled(stage, stage->out.shape.height); y++)
      most = nke_max(most, stage->in_end[y] - stage->in_begin[y]);
  }
  return readers > 1 ? image->shape.height : most;
}

/* Pixels of the input image -> where it keeps them. */
static void place_taps(nke_gated_stage *stage)
{
  nke_taps *const taps = &stage->taps;
  const int32_t kept = (int32_t)(stage->in->kept * stage->in->shape.width);
  for (int64_t i = 0; i < taps->n * taps->out_pixels; i++)
    if (taps->pixel[i] >= 0) taps->pixel[i] %= kept;
}

nke_status nke_gated_rows_create(nke_gated_plan *plan)
{
  nke_status st = NKE_OK;
  for (int i = 0; i < plan->n_stages; i++) NKE_TRY(look_ahead(plan, plan->stages[i]));
  for (int i = 0; i < plan->n_stages; i++) {
    nke_image *const out = &plan->stages[i]->out;
    out->from = plan->stages[i];
    out->kept = rows_to_keep(plan, out);
    NKE_TRY(nke_image_alloc(plan, out));
  }
  for (int i = 0; i < plan->n_stages; i++) place_taps(plan->stages[i]);
done:
  return st;
}

nke_status nke_gated_rows(nke_gated_plan *plan, const nke_image *image, int64_t rows)
{
  nke_status st = NKE_OK;
  nke_gated_stage *const stage = image->from;
  while (stage && stage->done < unpooled(stage, rows)) {
    const int64_t y = stage->done;
    NKE_TRY(nke_gated_rows(plan, stage->in, stage->in_end[y]));
    if (stage->other) NKE_TRY(nke_gated_rows(plan, stage->other, y + 1));
    NKE_TRY(stage->forward(plan, stage, y));
    stage->done++;
  }
done:
  return st;
}
