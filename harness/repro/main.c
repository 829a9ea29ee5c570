/* SPDX-License-Identifier: Apache-2.0 */
/* ---- What user space can see after a round ---------------------------------------------------- */

/* Is the word's memory also that of another slot?  A write through that one is none of this one's log. */
static bool is_shared(const struct slot *s, uint64_t gpa)
{
	const char *at = host_of(s, gpa);

	for (int i = 0; i < NR_SLOTS; i++)
		if (&slots[i] != s && slots[i].used && at >= slots[i].host &&
		    at < slots[i].host + slots[i].size)
			return true;
	return false;
}

/*
 * Every page that the log has not named since it was copied must still hold what was copied. A page
 * of zeros was given back by the host, which no log tells.
 */
static void check_log_of(const struct slot *s, unsigned slot)
{
	for (unsigned i = 0; i < nr_words; i++) {
		const struct word *w = &words[i];
		uint32_t now = slot_has(s, w->gpa) ? peek(host_of(s, w->gpa)) : 0;

		if (now == 0 || now == w->copied || is_shared(s, w->gpa))
			continue;
		if (nr_lost++ < SAY_MAX)
			printf("round %lu: slot %u gpa 0x%llx: lost from the dirty log: memory "
			       "holds 0x%x, the log last told of 0x%x\n",
			       this_round, slot, (unsigned long long)w->gpa, now, w->copied);
	}
}

static void check_log(void)
{
	for (unsigned slot = 0; slot < CODE_SLOT; slot++) {
		const struct slot *s = &slots[slot];

		if (!s->logged)
			continue;
		if (RING_BYTES ? !reset_rings() : !get_dirty(slot))
			continue;
		if (MANUAL && !RING_BYTES)
			clear_dirty(
				&(struct clear){ .slot = slot, .n = s->model_size / MODEL_PAGE });
		check_log_of(s, slot);
	}
}

static void say_stale(int vcpu, uint64_t gpa, const char *what)
{
	if (nr_stale++ < SAY_MAX)
		printf("round %lu: vcpu %d gpa 0x%llx: stale mapping: it reads 0x%x, %s\n",
		       this_round, vcpu, (unsigned long long)gpa, vcpus[vcpu].word, what);
}

/* Nothing runs: what a vCPU reads is what the host's mapping holds. */
static void check_word(int vcpu, uint64_t gpa)
{
	const struct request read = {
		.mask = 1ULL << vcpu, .kind = READ, .gpa = gpa, .n = 1, .is_real = true
	};
	const struct slot *s = slot_of(gpa);
	char what[48];
	uint32_t now;

	guest(&read);
	if (vcpus[vcpu].outcome != DONE)
		return;
	if (!s) {
		say_stale(vcpu, gpa, "no slot is there");
	} else if (!copy_word(host_of(s, gpa), &now, false)) {
		say_stale(vcpu, gpa, "the host has nothing there");
	} else if (now != vcpus[vcpu].word) {
		snprintf(what, sizeof(what), "the host holds 0x%x", now);
		say_stale(vcpu, gpa, what);
	}
}

static void check_mappings(void)
{
	for (int v = 0; v < NR_VCPUS; v++)
		for (unsigned i = 0; i < nr_words; i++) {
			check_word(v, words[i].gpa);
			check_word(v, words[i].gpa / REAL_PAGE * REAL_PAGE + HOST_WORD);
		}
}

/* One vCPU writes once more: through a mapping that should have been taken away, nobody is told. */
static void write_again(int vcpu)
{
	for (unsigned i = 0; i < nr_words; i++) {
		const struct request again = { .mask = 1ULL << vcpu,
					       .kind = WRITE,
					       .gpa = words[i].gpa,
					       .n = 1,
					       .is_real = true };

		if (words[i].written)
			guest(&again);
	}
}

/* Each check may heal what another one looks for: they take turns at going first. */
static void check(void)
{
	switch (this_round / 2 % 3) {
	case 0:
		check_log();
		check_mappings();
		break;
	case 1:
		check_mappings();
		check_log();
		break;
	default:
		write_again((int)(this_round / 6 % NR_VCPUS));
		check_log();
	}
}

/* ---- The whole --------------------------------------------------------------------------------- */

_Noreturn static void on_alarm(int sig)
{
	static const char text[] = "a round does not end: a deadlock, or an endless retry\n"
				   "verdict: " INVARIANT ": VIOLATED\n";

	(void)sig;
	if (write(STDOUT_FILENO, text, sizeof(text) - 1) < 0)
		_exit(EXIT_TROUBLE);
	_exit(EXIT_VIOLATED);
}

static void set_up(void)
{
	kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm_fd < 0)
		skip("/dev/kvm");
	if (sysconf(_SC_PAGESIZE) != (long)REAL_PAGE) {
		printf("skip: the scenario needs a kernel with pages of %llu bytes\n",
		       (unsigned long long)REAL_PAGE);
		exit(EXIT_SKIP);
	}
	pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	run_size = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	code = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	words = calloc(WORDS_MAX + 1, sizeof(*words));
	if (run_size < 0 || code == MAP_FAILED || !words)
		die("set-up");
	guest_code();
	note_words();
	for (int i = 0; i < NR_WORKERS; i++) {
		sem_init(&workers[i].go, 0, 0);
		sem_init(&workers[i].done, 0, 0);
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			die("thread");
	}
}

static int verdict(unsigned long rounds)
{
	bool violated = nr_lost || nr_stale;

	printf("%lu rounds: %lu dirty pages lost, %lu stale mappings\n", rounds, nr_lost, nr_stale);
	printf("stays in the guest: %lu done, %lu MMIO, %lu EFAULT, %lu ring full, %lu other\n",
	       outcomes[DONE], outcomes[MMIO], outcomes[FAULT], outcomes[RING_FULL],
	       outcomes[OTHER]);
	if (violated)
		printf("verdict: " INVARIANT ": VIOLATED\n");
	else
		printf("verdict: " INVARIANT ": nothing seen. What would show: " SHOWS ".\n");
	return violated ? EXIT_VIOLATED : 0;
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 1000;

	seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	set_up();
	atexit(restore_params);
	signal(SIGALRM, on_alarm);
	for (this_round = 0; this_round < rounds; this_round++) {
		alarm(ROUND_SECONDS);
		vm_new();
		scenario();
		check();
		vm_free();
		drop_maps();
	}
	return verdict(rounds);
}
