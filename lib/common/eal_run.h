/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * EAL memory, page by page, in runs: neighbouring pages that are one piece of one file, and that
 * one mapping can give to a device. The caller must hold the memory lock of EAL, or know that the
 * memory is in use and stays, because these functions do not take the lock.
 */

#ifndef EAL_RUN_H
#define EAL_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_memory.h>

struct eal_run {
	uintptr_t va;
	rte_iova_t iova; /* of the first page */
	size_t len;      /* bytes; 0: the run is empty */
	size_t page;     /* bytes of one page */
	int fd;          /* file of the whole run, owned by EAL; -1: unknown */
	size_t offset;   /* of the first page in the file, bytes */
	bool stays;      /* EAL keeps the run; false: it may give each page back */
};

/**
 * Return the page that contains va, and its list.
 * @param va   an address
 * @param msl  [out] the list; NULL: the address is not in an EAL list
 * @return NULL: EAL has no page there now
 */
static inline struct rte_memseg *
eal_page_at(uintptr_t va, const struct rte_memseg_list **msl)
{
	struct rte_memseg *ms;

	*msl = rte_mem_virt2memseg_list((void *)va);
	ms = *msl != NULL ? rte_mem_virt2memseg((void *)va, *msl) : NULL;
	return ms != NULL && ms->len != 0 ? ms : NULL;
}

/**
 * Return the run of one page.
 * @param msl      the list of the page
 * @param ms       the page
 * @param changes  whether EAL adds and removes memory, except for pages that are marked to stay
 */
static inline struct eal_run
eal_run_of(const struct rte_memseg_list *msl, const struct rte_memseg *ms, bool changes)
{
	struct eal_run run = {
		.va = (uintptr_t)ms->addr,
		.iova = ms->iova,
		.len = ms->len,
		.page = ms->len,
		.fd = -1,
	};

	if (msl->external) /* its owner may take it back */
		return run;
	run.stays = !changes || (ms->flags & RTE_MEMSEG_FLAG_DO_NOT_FREE);
	run.fd = rte_memseg_get_fd_thread_unsafe(ms);
	if (run.fd < 0 || rte_memseg_get_fd_offset_thread_unsafe(ms, &run.offset) != 0)
		run.fd = -1;
	return run;
}

/**
 * Report whether next follows run, in virtual addresses and in the file, and is of the same kind.
 */
static inline bool
eal_run_continues(const struct eal_run *run, const struct eal_run *next)
{
	return run->va + run->len == next->va && run->fd == next->fd &&
			(run->fd < 0 || run->offset + run->len == next->offset) &&
			run->stays == next->stays && run->page == next->page;
}

#endif /* EAL_RUN_H */
