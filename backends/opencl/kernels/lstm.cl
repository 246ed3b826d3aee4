// One layer of an LSTM: a group of work items an image and direction, time going one step after the
// other. Gates in the order i, f, g, o. Weights are [gate and unit][input], of both directions one
// after the other.
#define GROUP 64
typedef struct {
  int batch, steps, width, hidden, layer, directions;
  int inBatch, inStep, inChannel;
  int outBatch, outStep, outChannel;
  int hState, hBatch, hUnit;
  int cState, cBatch, cUnit;
  int h0State, h0Batch, h0Unit;
  int c0State, c0Batch, c0Unit;
} Lstm;

inline float sigmoidOf(float x) { return 1 / (1 + exp(-x)); }

kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void lstm(
    global float* y, ulong yAt, global const float* x, ulong xAt, global float* hOut, ulong hAt,
    global float* cOut, ulong cAt
#ifdef HAS_STATE
    , global const float* h0, ulong h0At, global const float* c0, ulong c0At
#endif
    , global float* memory, ulong memoryAt, global const float* inputWeights,
    global const float* hiddenWeights, global const float* bias, Lstm p) {
  int lane = get_local_id(0), n = get_group_id(0) / p.directions;
  int direction = get_group_id(0) % p.directions, state = p.layer * p.directions + direction;
  // This group's own: h, c, gates.
  global float* h = memory + memoryAt + get_group_id(0) * 6 * p.hidden;
  global float* c = h + p.hidden;
  global float* gates = c + p.hidden;
  inputWeights += direction * 4 * p.hidden * p.width;
  hiddenWeights += direction * 4 * p.hidden * p.hidden;
  bias += direction * 4 * p.hidden;
  for (int i = lane; i < p.hidden; i += GROUP) {
#ifdef HAS_STATE
    h[i] = h0[h0At + state * p.h0State + n * p.h0Batch + i * p.h0Unit];
    c[i] = c0[c0At + state * p.c0State + n * p.c0Batch + i * p.c0Unit];
#else
    h[i] = 0;
    c[i] = 0;
#endif
  }
  barrier(CLK_GLOBAL_MEM_FENCE);
  for (int step = 0; step < p.steps; ++step) {
    int t = direction == 0 ? step : p.steps - 1 - step;
    global const float* line = x + xAt + n * p.inBatch + t * p.inStep;
    for (int g = lane; g < 4 * p.hidden; g += GROUP) {
      float fromInput = 0, fromHidden = 0;
      for (int i = 0; i < p.width; ++i)
        fromInput = fma(inputWeights[g * p.width + i], line[i * p.inChannel], fromInput);
      for (int i = 0; i < p.hidden; ++i)
        fromHidden = fma(hiddenWeights[g * p.hidden + i], h[i], fromHidden);
      gates[g] = bias[g] + fromInput + fromHidden;
    }
    barrier(CLK_GLOBAL_MEM_FENCE);
    for (int i = lane; i < p.hidden; i += GROUP) {
      c[i] = sigmoidOf(gates[p.hidden + i]) * c[i] +
             sigmoidOf(gates[i]) * tanh(gates[2 * p.hidden + i]);
      h[i] = sigmoidOf(gates[3 * p.hidden + i]) * tanh(c[i]);
      y[yAt + n * p.outBatch + t * p.outStep + (direction * p.hidden + i) * p.outChannel] = h[i];
    }
    barrier(CLK_GLOBAL_MEM_FENCE);
  }
  for (int i = lane; i < p.hidden; i += GROUP) {
    hOut[hAt + state * p.hState + n * p.hBatch + i * p.hUnit] = h[i];
    cOut[cAt + state * p.cState + n * p.cBatch + i * p.cUnit] = c[i];
  }
}
