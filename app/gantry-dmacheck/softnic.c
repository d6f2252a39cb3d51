/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The soft NIC for applications: the model of the 82576 behind its socket, in its own process, on
 * a wire that is a loop. The wire can be held: frames then stay in the ring, so "the device still
 * owns it" is never a matter of timing.
 */

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>

#include "m82576.h"
#include "vfio_user.h"
#include "vfu_rcu.h"
#include "wire.h"

#include "dmacheck.h"

#define PORT    0
#define RING    64
#define MBUFS   511
#define WAIT_MS 10000

/* Memory that both processes share. */
struct shared {
	bool ready, stop;
	bool hold, held;
	uint64_t faults;
	char err[VFU_ERR_LEN];
};

static struct shared *shared;

static char dir[64], path[80], devargs[160];
static int nic_pid;

/*
 * Process of the device.
 */

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void
nap(struct wire_dir *wire)
{
	wire_dir_rest(wire);
	vfu_rcu_offline();
	usleep(100);
	vfu_rcu_online();
}

__attribute__((noreturn)) static void
nic_main(int parent)
{
	struct m82576_params params = {
		.name = "dmacheck",
		.socket = path,
		.mac = { 2, 0, 0, 0, 0, 1 },
	};
	struct m82576_stats stats;
	struct wire_source *src;
	struct wire_sink *sink;
	struct m82576 *model;
	struct wire_dir *wire;
	char err[WIRE_ERR_LEN];

	if (m82576_create(&params, &model, shared->err) != 0)
		_exit(1);
	m82576_set_link(model, true);
	if (wire_dev_open(model, &src, &sink, err) != 0)
		_exit(1);
	wire = wire_dir_new(src, sink, 0);
	vfu_rcu_register();
	__atomic_store_n(&shared->ready, true, __ATOMIC_RELEASE);
	/* Until the play sets stop, or has ended without doing so. */
	while (!__atomic_load_n(&shared->stop, __ATOMIC_ACQUIRE) && getppid() == parent) {
		const bool hold = __atomic_load_n(&shared->hold, __ATOMIC_ACQUIRE);

		__atomic_store_n(&shared->held, hold, __ATOMIC_RELEASE);
		if (hold || wire_dir_poll(wire, now_ns()) == 0)
			nap(wire);
		vfu_rcu_quiescent();
		m82576_get_stats(model, &stats);
		__atomic_store_n(&shared->faults, stats.dma_faults, __ATOMIC_RELEASE);
	}
	vfu_rcu_unregister();
	wire_dir_free(wire);
	m82576_destroy(model);
	rmdir(dir);
	_exit(0);
}

/*
 * Process of the application.
 */

static void
wait_for(const bool *flag, bool value, const char *what)
{
	unsigned int ms;

	for (ms = 0; __atomic_load_n(flag, __ATOMIC_ACQUIRE) != value; ms++) {
		if (ms == WAIT_MS)
			broken("the soft NIC: %s: %s", what, shared->err);
		usleep(1000);
	}
}

void
softnic_fork(struct rig *r)
{
	static const char *const names[] = {
		[GANTRY_DMA_MODE_DIRECT] = "direct",
		[GANTRY_DMA_MODE_STRICT] = "strict",
		[GANTRY_DMA_MODE_BOUNCE] = "bounce",
	};
	const int parent = getpid();

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			0);
	if (shared == MAP_FAILED)
		broken("out of memory");
	strcpy(dir, "/tmp/gantry-dmacheck.XXXXXX");
	if (mkdtemp(dir) == NULL)
		broken("%s: %s", dir, strerror(errno));
	snprintf(path, sizeof(path), "%s/nic.sock", dir);
	snprintf(devargs, sizeof(devargs), "vfio_user:%s,dma=%s,dma_debug=%d", path, names[r->mode],
			r->debug);
	fflush(NULL);
	nic_pid = fork();
	if (nic_pid < 0)
		broken("cannot start a process: %s", strerror(errno));
	if (nic_pid == 0)
		nic_main(parent);
	wait_for(&shared->ready, true, "does not start");
}

const char *
softnic_devargs(const struct rig *r)
{
	return devargs;
}

void
softnic_start(struct rig *r)
{
	const struct rte_eth_conf conf = { .txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS };
	struct rte_eth_link link = { 0 };
	unsigned int ms;

	r->pool = rte_pktmbuf_pool_create("app", MBUFS, 64, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
			SOCKET_ID_ANY);
	if (r->pool == NULL)
		broken("no pool: %s", rte_strerror(rte_errno));
	if (rte_eth_dev_count_avail() != 1 || rte_eth_dev_configure(PORT, 1, 1, &conf) != 0 ||
			rte_eth_rx_queue_setup(PORT, 0, RING, SOCKET_ID_ANY, NULL, r->pool) != 0 ||
			rte_eth_tx_queue_setup(PORT, 0, RING, SOCKET_ID_ANY, NULL) != 0 ||
			rte_eth_promiscuous_enable(PORT) != 0 || rte_eth_dev_start(PORT) != 0)
		broken("the port does not start");
	for (ms = 0; rte_eth_link_get_nowait(PORT, &link) != 0 ||
			link.link_status != RTE_ETH_LINK_UP;
			ms++) {
		if (ms == WAIT_MS)
			broken("no link");
		usleep(1000);
	}
}

void
softnic_hold(void)
{
	__atomic_store_n(&shared->hold, true, __ATOMIC_RELEASE);
	wait_for(&shared->held, true, "does not stop moving frames");
}

void
softnic_go(void)
{
	__atomic_store_n(&shared->hold, false, __ATOMIC_RELEASE);
	wait_for(&shared->held, false, "does not move frames again");
}

void
softnic_end(struct rig *r)
{
	softnic_go();
	if (rte_eth_dev_stop(PORT) != 0 || rte_eth_dev_close(PORT) != 0)
		broken("the port does not stop");
	__atomic_store_n(&shared->stop, true, __ATOMIC_RELEASE);
	waitpid(nic_pid, NULL, 0);
	r->faults = shared->faults;
	if (r->faults > 0)
		snprintf(r->fault, sizeof(r->fault), "%" PRIu64 " DMA faults of the soft NIC",
				r->faults);
}
