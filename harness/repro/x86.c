/* SPDX-License-Identifier: Apache-2.0 */
/* ---- x86: flat 32-bit protected mode without paging, so that a gpa is what an access names ----- */

enum {
	AT_READ = 0x00,
	AT_WRITE = 0x10,
	AT_NOP = 0x28,
};

static void guest_code(void)
{
	static const uint8_t read[] = {
		0x8b, 0x1e,       /* mov (%esi),%ebx */
		0x83, 0xc6, 0x08, /* add $8,%esi */
		0x8b, 0x03,       /* mov (%ebx),%eax */
		0x49,             /* dec %ecx */
		0x75, 0xf6,       /* jnz to the first */
		0xf4,             /* hlt */
	};
	static const uint8_t write[] = {
		0x8b, 0x1e,                         /* mov (%esi),%ebx */
		0x83, 0xc6, 0x08,                   /* add $8,%esi */
		0x89, 0x3b,                         /* mov %edi,(%ebx) */
		0x81, 0xc7, 0x00, 0x01, 0x00, 0x00, /* add $0x100,%edi */
		0x49,                               /* dec %ecx */
		0x75, 0xf0,                         /* jnz to the first */
		0xf4,                               /* hlt */
	};
	static const uint8_t nop[] = { 0xf4 }; /* hlt */

	memcpy(code + AT_READ, read, sizeof(read));
	memcpy(code + AT_WRITE, write, sizeof(write));
	memcpy(code + AT_NOP, nop, sizeof(nop));
}

/* A word that was written is also code: its first byte is hlt. */
static uint32_t word_value(uint32_t n)
{
	return n << 8 | 0xf4;
}

static void vcpu_start(struct vcpu *v)
{
	const struct kvm_segment flat = { .limit = 0xffffffff,
					  .selector = 16,
					  .type = 3,
					  .present = 1,
					  .db = 1,
					  .s = 1,
					  .g = 1 };
	struct kvm_sregs sregs;

	if (ioctl(v->fd, KVM_GET_SREGS, &sregs))
		die("KVM_GET_SREGS");
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.cs = flat;
	sregs.cs.type = 11;
	sregs.cs.selector = 8;
	sregs.cr0 = 0x11; /* PE, ET */
	sregs.cr4 = 0;
	sregs.efer = 0;
	if (ioctl(v->fd, KVM_SET_SREGS, &sregs))
		die("KVM_SET_SREGS");
}

/* An access that user space answers is part of an instruction: let it end before registers change. */
static void end_instruction(struct vcpu *v)
{
	v->run->immediate_exit = 1;
	for (int i = 0; i < 8 && ioctl(v->fd, KVM_RUN, 0) == 0; i++)
		;
	v->run->immediate_exit = 0;
}

static enum outcome vcpu_access(struct vcpu *v, enum kind kind, unsigned n, uint32_t *word)
{
	static const unsigned at[] = { [NOP] = AT_NOP, [READ] = AT_READ, [WRITE] = AT_WRITE };
	/* bytes of a page that nobody wrote are "add %al,(%eax)": that access is seen, too */
	struct kvm_regs regs = { .rip = kind == EXEC ? v->list[0] : CODE_GPA + at[kind],
				 .rax = TRAP_GPA,
				 .rcx = n,
				 .rsi = v->list_gpa,
				 .rdi = *word,
				 .rflags = 2 };
	enum outcome outcome = DONE;

	if (ioctl(v->fd, KVM_SET_REGS, &regs))
		die("KVM_SET_REGS");
	for (;;) {
		if (ioctl(v->fd, KVM_RUN, 0) < 0) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			return errno == EFAULT ? FAULT : OTHER;
		}
		switch (v->run->exit_reason) {
		case KVM_EXIT_HLT:
			if (ioctl(v->fd, KVM_GET_REGS, &regs))
				die("KVM_GET_REGS");
			*word = (uint32_t)regs.rax;
			return outcome;
		case KVM_EXIT_MMIO:
			if (kind == EXEC) {
				end_instruction(v);
				return v->run->mmio.phys_addr == TRAP_GPA ? DONE : MMIO;
			}
			outcome = MMIO;
			break;
		case KVM_EXIT_DIRTY_RING_FULL:
			return RING_FULL;
		default:
			v->lost = true;
			return OTHER;
		}
	}
}
