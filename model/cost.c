/* SPDX-License-Identifier: Apache-2.0 */
#include "model/cost.h"

const struct cost_desc cost_desc[NR_COST_PARAMS] = {
#define X(name, unit, arch, low, high, text)                                                       \
	[COST_##name] = { #name, COST_UNIT_##unit, COST_ARCH_##arch, low, high, text },
#include "model/cost.def"
#undef X
};

bool cost_applies(enum cost_param param, enum pt_arch arch)
{
	switch (cost_desc[param].arch) {
	case COST_ARCH_BOTH:
		return true;
	case COST_ARCH_X86:
		return arch == PT_X86;
	case COST_ARCH_ARM64:
		return arch == PT_ARM64;
	}
	return false;
}
