/* SPDX-License-Identifier: Apache-2.0 */
/* ---- Threads -------------------------------------------------------------------------------- */

static struct worker {
	pthread_t thread;
	sem_t go, done;
	void (*job)(void);
} workers[NR_WORKERS];

static atomic_uint arrived;
static unsigned expected;
static uint64_t seed;

static uint64_t roll(void)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return dice;
}

/* Wait between nothing and some microseconds, short times as often as long ones. */
OPTIONAL void jitter(void)
{
	uint64_t n = roll() & ((1ULL << roll() % 15) - 1);

	for (volatile uint64_t i = 0; i < n; i++)
		;
}

/* All of a block start at once. */
OPTIONAL void line_up(void)
{
	dice = (seed + this_round * 0x9e3779b97f4a7c15ULL + (uint64_t)me * 0xd1b54a32d192ed03ULL) |
	       1;
	for (int i = 0; i < 8; i++)
		roll();
	atomic_fetch_add(&arrived, 1);
	while (atomic_load(&arrived) < expected)
		sched_yield();
}

/* How far a line of the counterexample is. */
enum progress { WAITS, BEGUN, ENDED };

static atomic_int lines[NR_LINES + 1];

OPTIONAL bool is_past(unsigned line, enum progress p)
{
	return atomic_load(&lines[line]) >= (int)p;
}

/* Others' lines that stand before this one in the counterexample. */
OPTIONAL void await(unsigned line, enum progress p)
{
	while (!is_past(line, p))
		sched_yield();
}

OPTIONAL void set_progress(unsigned line, enum progress p)
{
	atomic_store(&lines[line], (int)p);
}

/* In every other round guest lines go on for as long as those that they overlapped with. */
OPTIONAL bool hammers(void)
{
	return this_round % 2 == 1;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	me = (int)(w - workers);
	for (;;) {
		while (sem_wait(&w->go))
			;
		w->job();
		sem_post(&w->done);
	}
	return NULL;
}

static void hand_over(int worker, void (*job)(void))
{
	workers[worker].job = job;
	sem_post(&workers[worker].go);
}

static void wait_for(int worker)
{
	while (sem_wait(&workers[worker].done))
		;
}

struct part {
	int worker;
	void (*job)(void);
};

OPTIONAL void together(const struct part *parts, unsigned n)
{
	expected = n;
	atomic_store(&arrived, 0);
	for (unsigned i = 0; i <= NR_LINES; i++)
		atomic_store(&lines[i], WAITS);
	for (unsigned i = 0; i < n; i++)
		hand_over(parts[i].worker, parts[i].job);
	for (unsigned i = 0; i < n; i++)
		wait_for(parts[i].worker);
}

/* n accesses of each vCPU in the mask, in the scenario's addresses. */
struct request {
	uint64_t mask;
	enum kind kind;
	uint64_t gpa, n, stride, vstride;
	uint64_t over; /* begins anew behind so many bytes; 0: never */
	bool is_real;  /* addresses are ours already */
};

static struct request request; /* of the main thread to the vCPUs */

static uint64_t request_gpa(const struct request *r, int vcpu, uint64_t i)
{
	uint64_t rank = (uint64_t)__builtin_popcountll(r->mask & ((1ULL << vcpu) - 1));
	uint64_t at = r->over ? i * r->stride % r->over : i * r->stride;
	uint64_t gpa = r->gpa + rank * r->vstride + at;

	return r->is_real ? gpa : real_at(gpa);
}

/* As many accesses from the i-th on as fit in one stay in the guest. */
static unsigned serve_some(const struct request *r, uint64_t i)
{
	const unsigned most = r->kind == EXEC ? 1 : LIST_MAX;
	unsigned n = r->n - i < most ? (unsigned)(r->n - i) : most;
	struct vcpu *v = &vcpus[me];

	for (unsigned k = 0; k < n; k++)
		v->list[k] = request_gpa(r, me, i + k);
	v->word = word_value(atomic_fetch_add(&counter, n) + 1);
	if (v->lost)
		vcpu_start(v);
	v->lost = false;
	v->outcome = vcpu_access(v, r->kind, n, &v->word);
	atomic_fetch_add(&outcomes[v->outcome], 1);
	return n;
}

static void serve(const struct request *r)
{
	for (uint64_t i = 0; i < r->n;)
		i += serve_some(r, i);
}

static void serve_main(void)
{
	serve(&request);
}

/* From a vCPU's thread: its own accesses; from the main thread: those of all vCPUs in the mask. */
static void guest(const struct request *r)
{
	if (me != MAIN) {
		serve(r);
		return;
	}
	request = *r;
	for (int i = 0; i < NR_VCPUS; i++)
		if (r->mask >> i & 1)
			hand_over(i, serve_main);
	for (int i = 0; i < NR_VCPUS; i++)
		if (r->mask >> i & 1)
			wait_for(i);
}

/* What a guest line will access. */
OPTIONAL void note_request(const struct request *r)
{
	for (int v = 0; r->kind != NOP && v < NR_VCPUS; v++)
		for (uint64_t i = 0; (r->mask >> v & 1) && i < r->n; i++)
			note_word(request_gpa(r, v, i), r->kind == WRITE);
}
