/* SPDX-License-Identifier: Apache-2.0 */
#include "model/access_inline.h"

struct guest_access access_at(const struct op *op, const struct access_file *file, uint64_t i,
			      unsigned int page_shift)
{
	return access_inline(op, file, i, page_shift);
}
