/* SPDX-License-Identifier: Apache-2.0 */
/* ---- arm64: stage 1 maps every address to itself, cacheable, by 1 GiB blocks -------------------- */

enum {
	AT_DONE = 0x00, /* store to where nothing is: the exit that ends an access */
	AT_CALL = 0x04,
	AT_READ = 0x08,
	AT_WRITE = 0x20,
	AT_EXEC = 0x40,
	AT_VECTORS = 0x800,
	AT_TABLE = 0x10000,
	VECTOR_EL1H_SYNC = 0x200,
	NR_BLOCKS = 512,
};

static void put_instruction(unsigned at, uint32_t instruction)
{
	memcpy(code + at, &instruction, sizeof(instruction));
}

/* One after the other; the next place. */
static unsigned put_instructions(unsigned at, const uint32_t *instructions, unsigned n)
{
	for (unsigned i = 0; i < n; i++, at += sizeof(*instructions))
		put_instruction(at, instructions[i]);
	return at;
}

/* A branch from one place of the code page to another. */
static uint32_t branch(unsigned from, unsigned to)
{
	return 0x14000000 | (((to - from) >> 2) & 0x03ffffff);
}

static void guest_code(void)
{
	static const uint32_t read[] = {
		0xf8408465, /* ldr x5, [x3], #8 */
		0xb94000a1, /* ldr w1, [x5] */
		0xf1000484, /* subs x4, x4, #1 */
		0x54ffffa1, /* b.ne to the first */
	};
	static const uint32_t write[] = {
		0xf8408465, /* ldr x5, [x3], #8 */
		0xb90000a1, /* str w1, [x5] */
		0x11000421, /* add w1, w1, #1 */
		0x12003c21, /* and w1, w1, #0xffff */
		0xf1000484, /* subs x4, x4, #1 */
		0x54ffff61, /* b.ne to the first */
	};
	unsigned at;

	put_instruction(AT_DONE, 0xb9000121); /* str w1, [x9] */
	put_instruction(AT_CALL, 0xd61f0040); /* br x2 */
	at = put_instructions(AT_READ, read, sizeof(read) / sizeof(*read));
	put_instruction(at, branch(at, AT_DONE));
	at = put_instructions(AT_WRITE, write, sizeof(write) / sizeof(*write));
	put_instruction(at, branch(at, AT_DONE));
	put_instruction(AT_EXEC, 0xd61f0000); /* br x0 */
	put_instruction(AT_VECTORS + VECTOR_EL1H_SYNC,
			branch(AT_VECTORS + VECTOR_EL1H_SYNC, AT_DONE));
	for (uint64_t i = 0; i < NR_BLOCKS; i++) {
		uint64_t block = i << 30 | 1 << 10 /* AF */ | 3 << 8 /* inner shareable */ | 1;

		memcpy(code + AT_TABLE + i * sizeof(block), &block, sizeof(block));
	}
}

/* A word that was written is also code, udf; so is one that was not: both end in the vector. */
static uint32_t word_value(uint32_t n)
{
	return n & 0xffff;
}

static void set_reg(const struct vcpu *v, uint64_t id, uint64_t value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	if (ioctl(v->fd, KVM_SET_ONE_REG, &reg))
		die("KVM_SET_ONE_REG");
}

#define CORE_REG(name)                                                                             \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(name))

static void vcpu_init(const struct vcpu *v)
{
	struct kvm_vcpu_init init;

	memset(&init, 0, sizeof(init));
	if (ioctl(vm_fd, KVM_ARM_PREFERRED_TARGET, &init) || ioctl(v->fd, KVM_ARM_VCPU_INIT, &init))
		die("KVM_ARM_VCPU_INIT");
}

static void vcpu_start(struct vcpu *v)
{
	const uint64_t sctlr = ARM64_SYS_REG(3, 0, 1, 0, 0);
	uint64_t value = 0;
	struct kvm_one_reg reg = { .id = sctlr, .addr = (uintptr_t)&value };

	vcpu_init(v);
	set_reg(v, ARM64_SYS_REG(3, 0, 10, 2, 0), 0xff);               /* MAIR_EL1: write-back */
	set_reg(v, ARM64_SYS_REG(3, 0, 2, 0, 0), CODE_GPA + AT_TABLE); /* TTBR0_EL1 */
	set_reg(v, ARM64_SYS_REG(3, 0, 2, 0, 2), /* TCR_EL1: 39 bits, 4 KiB, 40 bits out */
		2ULL << 32 | 1 << 23 | 3 << 12 | 1 << 10 | 1 << 8 | 25);
	set_reg(v, ARM64_SYS_REG(3, 0, 12, 0, 0), CODE_GPA + AT_VECTORS); /* VBAR_EL1 */
	if (ioctl(v->fd, KVM_GET_ONE_REG, &reg))
		die("KVM_GET_ONE_REG");
	set_reg(v, sctlr, value | 1 << 12 | 1 << 2 | 1); /* I, C, M */
	set_reg(v, CORE_REG(regs.pc), CODE_GPA + AT_CALL);
	set_reg(v, CORE_REG(regs.regs[9]), TRAP_GPA);
}

static enum outcome vcpu_access(struct vcpu *v, enum kind kind, unsigned n, uint32_t *word)
{
	static const unsigned at[] = {
		[NOP] = AT_DONE, [READ] = AT_READ, [WRITE] = AT_WRITE, [EXEC] = AT_EXEC
	};
	enum outcome outcome = DONE;

	set_reg(v, CORE_REG(regs.regs[0]), v->list[0]);
	set_reg(v, CORE_REG(regs.regs[1]), *word);
	set_reg(v, CORE_REG(regs.regs[2]), CODE_GPA + at[kind]);
	set_reg(v, CORE_REG(regs.regs[3]), v->list_gpa);
	set_reg(v, CORE_REG(regs.regs[4]), n);
	for (;;) {
		if (ioctl(v->fd, KVM_RUN, 0) < 0) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			v->lost = true; /* it would go on with the access that failed */
			return errno == EFAULT ? FAULT : OTHER;
		}
		switch (v->run->exit_reason) {
		case KVM_EXIT_MMIO:
			if (v->run->mmio.phys_addr == TRAP_GPA) {
				memcpy(word, v->run->mmio.data, sizeof(*word));
				return outcome;
			}
			outcome = MMIO;
			break;
		case KVM_EXIT_DIRTY_RING_FULL:
			v->lost = true;
			return RING_FULL;
		default:
			v->lost = true;
			return OTHER;
		}
	}
}
