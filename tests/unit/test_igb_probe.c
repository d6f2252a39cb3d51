/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of probe and removal (drivers/net/igb/igb_probe.c), in primary and secondary processes,
 * and of the requests between the two (igb_mp.c), on the fake device of igb_fake.h.
 *
 * Both processes are this one. The linker replaces the functions of EAL that differ between them,
 * and its IPC, by those below (--wrap): a request goes at once to the answer of the primary side.
 * It also replaces functions of which a probe must survive a failure.
 */

#include "igb_fake.h"

#include <rte_malloc.h>

#include "../common/fds.h"

static bool secondary;
static rte_mp_t answer; /* registered once in a process */

/* Failures, and what was called. */
static struct {
	bool no_port, no_handler; /* ethdev, EAL has none */
	const char *no_memory;    /* the name of memory that is not allocated */
	bool full;                /* no node has memory; any node may have some */
	unsigned int tries;       /* for memory of a node */
	bool silent;              /* the primary process does not answer */
	int nb_received, len_off; /* otherwise than one reply of the right length */
	unsigned int registered, requests;
	unsigned int up_at;         /* the request of this number finds the link up */
	uint32_t op;                /* of the last request */
	struct rte_eth_dev *shared; /* the port that the primary process has */
	struct rte_eth_dev *released;
	unsigned int releases;
	int release_ret;
	uint32_t no_doorbell;
	struct rte_mp_msg *to;
	unsigned int unfreed; /* replies that the driver has not freed */
	unsigned int sleeps;
	unsigned int awake_at; /* the sleep of this number lets the link come up; 0: none does */
} eal;

#define FAKE(type, name, ...) \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

FAKE(enum rte_proc_type_t, rte_eal_process_type, void)
{
	return secondary ? RTE_PROC_SECONDARY : RTE_PROC_PRIMARY;
}

FAKE(void, rte_delay_us_sleep, unsigned int us)
{
	if (eal.awake_at == 0) {
		__real_rte_delay_us_sleep(us);
		return;
	}
	assert_in_range(us, 5000, 20000);
	if (++eal.sleeps >= eal.awake_at)
		fake.no_link = false;
}

FAKE(void, free, void *p)
{
	eal.unfreed -= p != NULL && p == eal.to;
	__real_free(p);
}

FAKE(struct rte_eth_dev *, rte_eth_dev_allocate, const char *name)
{
	return eal.no_port ? NULL : __real_rte_eth_dev_allocate(name);
}

FAKE(void *, rte_zmalloc, const char *type, size_t size, unsigned int align)
{
	return eal.no_memory != NULL && strcmp(type, eal.no_memory) == 0 ?
			NULL :
			__real_rte_zmalloc(type, size, align);
}

FAKE(void *, rte_zmalloc_socket, const char *type, size_t size, unsigned int align, int socket)
{
	eal.tries++;
	if (eal.full)
		return NULL;
	return eal.no_memory != NULL && strcmp(type, eal.no_memory) == 0 ?
			NULL :
			__real_rte_zmalloc_socket(type, size, align, socket);
}

FAKE(int, rte_intr_callback_register, const struct rte_intr_handle *handle, rte_intr_callback_fn cb,
		void *arg)
{
	return eal.no_handler ? -EPERM : __real_rte_intr_callback_register(handle, cb, arg);
}

FAKE(struct rte_eth_dev *, rte_eth_dev_attach_secondary, const char *name)
{
	assert_string_equal(name, "fake0");
	return eal.shared;
}

FAKE(int, rte_eth_dev_release_port, struct rte_eth_dev *dev)
{
	eal.releases++;
	eal.released = dev;
	return secondary ? eal.release_ret : __real_rte_eth_dev_release_port(dev);
}

FAKE(int, rte_mp_action_register, const char *name, rte_mp_t action)
{
	assert_string_equal(name, IGB_DRIVER_NAME);
	eal.registered++;
	answer = action;
	rte_errno = EBUSY;
	return -1;
}

FAKE(int, rte_mp_reply, struct rte_mp_msg *msg, const char *peer)
{
	*eal.to = *msg;
	return 5;
}

FAKE(int, rte_mp_request_sync, struct rte_mp_msg *req, struct rte_mp_reply *reply,
		const struct timespec *ts)
{
	const bool was = secondary;

	assert_string_equal(req->name, IGB_DRIVER_NAME);
	assert_int_equal(ts->tv_sec, 5);
	if (++eal.requests == eal.up_at)
		fake.no_link = false;
	memcpy(&eal.op, req->param, sizeof(eal.op));
	if (eal.silent)
		return -1;
	reply->nb_received = eal.nb_received;
	reply->msgs = eal.to = calloc(1, sizeof(*reply->msgs));
	assert_non_null(eal.to);
	eal.unfreed++;
	secondary = false;
	assert_int_equal(answer(req, "peer"), 5);
	secondary = was;
	assert_string_equal(eal.to->name, IGB_DRIVER_NAME);
	eal.to->len_param += eal.len_off;
	return 0;
}

static volatile uint32_t *
doorbell(void *dev, uint32_t at)
{
	return at == eal.no_doorbell ? NULL : fake_doorbell(dev, at);
}

static struct igb_bus_ops ops;

static int
eal_new(void **state)
{
	secondary = false;
	memset(&eal, 0, sizeof(eal));
	eal.nb_received = 1;
	fake_init();
	ops = fake_ops;
	ops.doorbell = doorbell;
	return 0;
}

static int
shared_new(void **state)
{
	eal_new(state);
	return port_new(state);
}

static int
shared_gone(void **state)
{
	secondary = false;
	assert_int_equal(eal.unfreed, 0);
	return port_gone(state);
}

static int
probe_id(uint16_t vendor_id, uint16_t device_id)
{
	const struct igb_bus_dev bus = {
		.ops = &ops,
		.device = &fake.device,
		.vendor_id = vendor_id,
		.device_id = device_id,
		.intr_handle = fake.intr,
		.nb_vectors = fake.nb_vectors,
		.intr_per_queue = fake.intr_per_queue,
	};

	return igb_ethdev_probe(&bus);
}

static int
probe_82576(void)
{
	return probe_id(IGB_VENDOR_ID_INTEL, IGB_DEV_ID_82576);
}

/*
 * The primary process.
 */

static unsigned int
blocks_in_use(void)
{
	struct rte_malloc_socket_stats stats;

	assert_int_equal(rte_malloc_get_socket_stats(0, &stats), 0);
	return stats.alloc_count;
}

static void
requests_are_registered_once(void **state)
{
	log_begin();
	assert_int_equal(probe_82576(), 0);
	assert_int_equal(log_end("secondary processes get no statistics"), 1);
	assert_int_equal(eal.registered, 1);
	assert_int_equal(igb_ethdev_remove(&fake.device), 0);
	log_begin();
	assert_int_equal(probe_82576(), 0);
	assert_int_equal(log_end("secondary"), 0);
	assert_int_equal(eal.registered, 1);
	assert_int_equal(igb_ethdev_remove(&fake.device), 0);
}

static void
fail_port(void)
{
	eal.no_port = true;
}

static void
fail_adapter(void)
{
	eal.no_memory = "igb_adapter";
}

static void
fail_mac_addrs(void)
{
	eal.no_memory = "igb_mac_addrs";
}

/* The memory of the DMA device comes from the DMA library. */
static void
fail_dma_device(void)
{
	eal.no_memory = "gantry_dma_dev";
}

static void
fail_rx_doorbell(void)
{
	eal.no_doorbell = IGB_RDT(0);
}

static void
fail_tx_doorbell(void)
{
	eal.no_doorbell = IGB_TDT(0);
}

static void
fail_handler(void)
{
	eal.no_handler = true;
}

static void
fail_reset(void)
{
	fake.no_reset = true;
}

/* The other words are read, and the checksum of what was read is right. */
static void
fail_nvm_word(void)
{
	fake.late = 0x20;
}

static void
fail_phy(void)
{
	fake.no_phy = true;
}

static int
refuse_claim(void *opaque)
{
	return -EPERM;
}

static void
fail_dma(void)
{
	static struct rte_devargs bounce = { .args = (char *)(uintptr_t) "dma=bounce" };
	static const struct gantry_dma_ops refuses = {
		.name = "refuses",
		.map = iommu_map,
		.unmap = iommu_unmap,
		.claim = refuse_claim,
	};

	fake.device.devargs = &bounce;
	ops.dma = &refuses;
}

/*
 * The bus may take the device back after each failure: nothing of the port is left. A device that
 * the driver cannot use is not accessed.
 */
static void
probe_that_fails_leaves_nothing(void **state)
{
	static const struct {
		void (*provoke)(void);
		int ret; /* 0: any error */
		bool accessed;
	} t[] = {
		{ fail_port, -ENOMEM, false },
		{ fail_adapter, -ENOMEM, false },
		{ fail_dma_device, -ENOMEM, false },
		{ fail_mac_addrs, -ENOMEM, true },
		{ fail_rx_doorbell, -ENOTSUP, false },
		{ fail_tx_doorbell, -ENOTSUP, false },
		{ fail_handler, -EPERM, true },
		{ fail_reset, 0, true },
		{ fail_nvm_word, -ETIMEDOUT, true },
		{ fail_phy, 0, true },
		{ fail_dma, 0, false },
	};
	unsigned int i, before;
	uint16_t port;
	int ret, fds;

	before = blocks_in_use();
	fds = count_fds();
	for (i = 0; i < RTE_DIM(t); i++) {
		eal_new(state);
		fake.intr = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
		assert_non_null(fake.intr);
		rte_intr_type_set(fake.intr, RTE_INTR_HANDLE_VDEV);
		rte_intr_fd_set(fake.intr, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
		fake.nb_vectors = 1;
		t[i].provoke();
		ret = probe_82576();
		if (ret >= 0 || (t[i].ret != 0 && ret != t[i].ret))
			fail_msg("failure %u: %d", i, ret);
		if ((fake.nr_writes != 0) != t[i].accessed)
			fail_msg("failure %u: %u register writes", i, fake.nr_writes);
		assert_int_equal(*reg(IGB_SW_FW_SYNC), 0);
		assert_int_equal(fake.unowned, 0);
		assert_int_equal(rte_eth_dev_get_port_by_name("fake0", &port), -ENODEV);
		assert_int_equal(gantry_mem_classify(fake.regs), GANTRY_MEM_PROCESS);
		assert_none_mapped();
		close(rte_intr_fd_get(fake.intr));
		rte_intr_instance_free(fake.intr);
		fake.intr = NULL;
		assert_int_equal(blocks_in_use(), before);
		assert_int_equal(count_fds(), fds);
		assert_int_equal(eal.registered, 0);
	}
}

/* A request for any node has been refused by all of them. */
static void
full_node_is_replaced_by_any(void **state)
{
	void *p;

	eal.full = true;
	p = igb_zmalloc("test", 64, 0);
	assert_non_null(p);
	rte_free(p);
	assert_int_equal(eal.tries, 1);
	assert_null(igb_zmalloc("test", 64, SOCKET_ID_ANY));
	assert_int_equal(eal.tries, 2);
	eal.no_memory = "test";
	assert_null(igb_zmalloc("test", 64, 0));
}

/* A result of 1 lets another driver try. */
static void
other_devices_are_left_to_other_drivers(void **state)
{
	struct rte_devargs devargs = { .args = (char *)(uintptr_t) "untested=0" };
	uint16_t port;

	assert_int_equal(probe_id(IGB_VENDOR_ID_INTEL, 0x1234), 1);
	assert_int_equal(probe_id(0x1af4, IGB_DEV_ID_82576), 1);
	fake.device.devargs = NULL;
	assert_int_equal(probe_id(IGB_VENDOR_ID_INTEL, IGB_DEV_ID_82580_COPPER), 1);
	fake.device.devargs = &devargs;
	assert_int_equal(probe_id(IGB_VENDOR_ID_INTEL, IGB_DEV_ID_82580_COPPER), 1);
	devargs.args = (char *)(uintptr_t) "untested=2";
	assert_int_equal(probe_id(IGB_VENDOR_ID_INTEL, IGB_DEV_ID_82580_COPPER), -EINVAL);
	assert_int_equal(rte_eth_dev_get_port_by_name("fake0", &port), -ENODEV);
	devargs.args = (char *)(uintptr_t) "untested=1";
	assert_int_not_equal(probe_id(IGB_VENDOR_ID_INTEL, IGB_DEV_ID_82580_COPPER), 1);
	assert_int_equal(igb_ethdev_remove(&fake.device), 0);
}

static void
port_has_what_ethdev_asks_for(void **state)
{
	const struct rte_eth_dev *dev = &rte_eth_devices[PORT];
	const struct igb_adapter *ad = igb_adapter_of(dev);

	assert_ptr_equal(dev->device, &fake.device);
	assert_int_equal(dev->state, RTE_ETH_DEV_ATTACHED);
	assert_int_equal(dev->data->numa_node, SOCKET_ID_ANY);
	assert_int_equal(dev->data->dev_flags,
			RTE_ETH_DEV_INTR_RMV | RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS);
	assert_memory_equal(&dev->data->mac_addrs[0], fake.nvm, RTE_ETHER_ADDR_LEN);
	assert_int_equal(ad->port_id, PORT);
	assert_ptr_equal(ad->doorbells[0], reg(IGB_RDT(0)));
	assert_ptr_equal(ad->doorbells[1], reg(IGB_TDT(0)));
	assert_int_equal(ad->nb_queues, IGB_MAX_QUEUES);
	assert_string_equal(ad->hw.name, "fake0");
}

/* Also after the application has closed the port. */
static void
removal_of_no_port_is_no_error(void **state)
{
	assert_int_equal(igb_ethdev_remove(&fake.device), 0);
	assert_int_equal(eal.releases, 0);
}

/* The driver waits for other software. If that has died, it takes its place, and logs it. */
static void
semaphore_of_other_software_is_waited_for(void **state)
{
	struct igb_hw *hw;
	uint16_t word;

	assert_int_equal(probe_82576(), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name("fake0", &fake.port), 0);
	hw = igb_hw_of(&rte_eth_devices[PORT]);
	fake.smbi_held = 1; /* a driver that stands still for 100 ms does not ask again */
	log_begin();
	assert_int_equal(igb_nvm_read(hw, 2, &word), 0);
	assert_int_equal(log_end("SWSM.SMBI"), 0);
	assert_int_equal(word, fake.nvm[2]);
	assert_int_equal(fake.smbi_held, 0);
	assert_int_equal(fake.unowned, 0);
	fake.smbi_held = UINT_MAX;
	log_begin();
	assert_int_equal(igb_nvm_read(hw, 2, &word), 0);
	assert_true(log_end("SWSM.SMBI: not released for 100 ms: taken over") > 0);
	fake.unowned = fake.smbi_held = 0;
	assert_int_equal(igb_ethdev_remove(&fake.device), 0);
}

static void
failed_read_leaves_the_value_and_no_semaphore(void **state)
{
	struct igb_hw *hw;
	uint16_t word = 7;

	assert_int_equal(probe_82576(), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name("fake0", &fake.port), 0);
	hw = igb_hw_of(&rte_eth_devices[PORT]);
	fake.late = 0x20;
	assert_int_equal(igb_nvm_read(hw, 0x20, &word), -ETIMEDOUT);
	fake.no_phy = true;
	assert_int_equal(igb_phy_read(hw, 2, &word), -EIO);
	assert_int_equal(igb_phy_write(hw, 2, 1), -EIO);
	assert_int_equal(word, 7);
	assert_int_equal(*reg(IGB_SW_FW_SYNC), 0);
	/* A register of the PHY that is 0 is no failure. */
	fake.no_phy = false;
	log_begin();
	assert_int_equal(igb_phy_write(hw, 2, 0), 0);
	assert_int_equal(igb_phy_read(hw, 2, &word), 0);
	assert_int_equal(log_end("PHY register"), 0);
	assert_int_equal(word, 0);
	assert_int_equal(fake.unowned, 0);
	assert_int_equal(igb_ethdev_remove(&fake.device), 0);
}

/* Set a queue up for which memory is missing; return the reason that the driver logs. */
static char *
queue_without_memory(bool rx)
{
	int ret;

	log_begin();
	ret = rx ? rte_eth_rx_queue_setup(PORT, 0, IGB_MAX_DESC, SOCKET_ID_ANY, NULL, pool) :
		   rte_eth_tx_queue_setup(PORT, 0, IGB_MAX_DESC, SOCKET_ID_ANY, NULL);
	assert_int_equal(ret, -ENOMEM);
	rte_openlog_stream(NULL);
	fclose(log_file);
	return log_text;
}

#define PIECE  ((size_t)40 << 10) /* more than a list of mbufs, less than a ring */
#define PIECES 8192
#define FEW    5

/* The heap has room for what the driver keeps of a queue, and none for its ring, or vice versa. */
static void
reason_names_the_memory_that_is_missing(void **state)
{
	static const char *const names[2][3] = {
		{ "igb_tx_queue", "igb_tx_mbufs", "igb_tx_entries" },
		{ "igb_rx_queue", "igb_rx_mbufs", "igb_rx_addrs" },
	};
	static const char heap[] = "the EAL heap has none left";
	static void *pieces[PIECES];
	static const struct rte_eth_conf conf;
	unsigned int rx, i, n = 0;
	char *log;

	assert_int_equal(probe_82576(), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name("fake0", &fake.port), 0);
	assert_int_equal(rte_eth_dev_configure(PORT, 1, 1, &conf), 0);
	for (rx = 0; rx <= 1; rx++) {
		for (i = 0; i < RTE_DIM(names[rx]); i++) {
			eal.no_memory = names[rx][i];
			log = queue_without_memory(rx);
			if (strstr(log, heap) == NULL)
				fail_msg("%s: %s", eal.no_memory, log);
			free(log);
		}
	}
	eal.no_memory = NULL;
	while (n < PIECES && (pieces[n] = rte_malloc(NULL, PIECE, 0)) != NULL)
		n++;
	assert_in_range(n, 2 * FEW + 1, PIECES - 1);
	for (i = 1; i < 2 * FEW; i += 2) {
		rte_free(pieces[i]);
		pieces[i] = NULL;
	}
	for (rx = 0; rx <= 1; rx++) {
		log = queue_without_memory(rx);
		if (strstr(log, "queue 0: no memory for 4096 descriptors") == NULL ||
				strstr(log, "no 65536 bytes of contiguous") == NULL)
			fail_msg("%s", log);
		free(log);
	}
	while (n > 0)
		rte_free(pieces[--n]);
	assert_int_equal(igb_ethdev_remove(&fake.device), 0);
}

/*
 * A secondary process: attaching.
 */

static void
only_direct_mode_is_shared(void **state)
{
	struct rte_devargs devargs = { .args = (char *)(uintptr_t) "dma=direct,dma_debug=1" };
	static const char *const modes[] = { "window", "strict", "bounce" };
	char args[32];
	unsigned int i;

	assert_int_equal(probe_82576(), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name("fake0", &fake.port), 0);
	assert_true(igb_adapter_of(&rte_eth_devices[PORT])->dma_shared);
	assert_int_equal(igb_ethdev_remove(&fake.device), 0);
	fake.device.devargs = &devargs;
	for (i = 0; i <= RTE_DIM(modes); i++) {
		assert_int_equal(probe_82576(), 0);
		assert_false(igb_adapter_of(&rte_eth_devices[PORT])->dma_shared);
		assert_int_equal(igb_ethdev_remove(&fake.device), 0);
		snprintf(args, sizeof(args), "dma=%s", modes[i % RTE_DIM(modes)]);
		devargs.args = args;
	}
}

static void
port_that_can_be_shared_is_released_again(void **state)
{
	struct rte_eth_dev *dev = &rte_eth_devices[PORT];

	secondary = true;
	log_begin();
	assert_false(igb_ethdev_can_be_shared(&fake.device));
	assert_int_equal(log_end("fake0: the primary process has no such port"), 1);
	assert_int_equal(eal.releases, 0);
	eal.shared = dev;
	assert_true(igb_ethdev_can_be_shared(&fake.device));
	assert_int_equal(eal.releases, 1);
	assert_ptr_equal(eal.released, dev);
	igb_adapter_of(dev)->dma_shared = false;
	log_begin();
	assert_false(igb_ethdev_can_be_shared(&fake.device));
	assert_int_equal(log_end("fake0: its DMA mode is not direct, or dma_debug is on"), 1);
	assert_int_equal(eal.releases, 2);
}

static void
attached_port_polls_the_same_queues(void **state)
{
	struct rte_eth_dev *dev = &rte_eth_devices[PORT];
	struct rte_eth_dev here = { .data = dev->data };
	struct rte_device device = fake.device;
	struct igb_bus_dev bus = { .ops = &ops, .device = &device };

	TAILQ_INIT(&here.link_intr_cbs);
	secondary = true;
	assert_int_equal(igb_ethdev_probe(&bus), -ENODEV);
	eal.shared = &here;
	fake.nr_writes = 0;
	assert_int_equal(igb_ethdev_probe(&bus), 0);
	assert_ptr_equal(here.device, &device);
	assert_int_equal(here.state, RTE_ETH_DEV_ATTACHED);
	assert_ptr_equal(here.rx_pkt_burst, dev->rx_pkt_burst);
	assert_ptr_equal(here.tx_pkt_burst, dev->tx_pkt_burst);
	assert_ptr_equal(here.rx_descriptor_status, dev->rx_descriptor_status);
	assert_non_null(here.dev_ops->stats_get);
	assert_null(here.dev_ops->dev_start);
	assert_int_equal(eal.releases, 0);
	assert_int_equal(fake.nr_writes, 0);
}

/* Queues hold the addresses of doorbells, which must be the same in both processes. */
static void
port_with_other_doorbells_is_refused(void **state)
{
	struct rte_eth_dev here = { .data = rte_eth_devices[PORT].data };
	const struct igb_bus_dev bus = { .ops = &ops, .device = &fake.device };
	unsigned int i;

	secondary = true;
	eal.shared = &here;
	for (i = 0; i < 2; i++) {
		eal.no_doorbell = i == 0 ? IGB_RDT(0) : IGB_TDT(0);
		assert_int_equal(igb_ethdev_probe(&bus), -ENOTSUP);
		assert_ptr_equal(eal.released, &here);
		assert_int_equal(eal.releases, i + 1);
		assert_null(here.device);
	}
}

/* When the primary process has closed the port, the shared part is empty. */
static void
removal_releases_the_port_of_this_process_alone(void **state)
{
	struct rte_eth_dev *here = &rte_eth_devices[7], *unused = &rte_eth_devices[6];
	struct rte_eth_dev_data data = { .port_id = 0 };
	struct rte_device device = { .name = "fake0" };

	secondary = true;
	assert_int_equal(igb_ethdev_remove(&device), 0);
	assert_int_equal(eal.releases, 0);
	unused->device = here->device = &device;
	here->data = &data;
	here->state = RTE_ETH_DEV_ATTACHED;
	eal.release_ret = -EBUSY;
	assert_int_equal(igb_ethdev_remove(&device), -EBUSY);
	assert_ptr_equal(eal.released, here);
	assert_int_equal(data.port_id, 7);
	data.port_id = 3;
	strcpy(data.name, "f"); /* any name */
	eal.release_ret = 0;
	assert_int_equal(igb_ethdev_remove(&device), 0);
	assert_int_equal(eal.releases, 2);
	assert_int_equal(data.port_id, 3);
	unused->device = here->device = NULL;
	here->data = NULL;
	here->state = RTE_ETH_DEV_UNUSED;
}

/*
 * A secondary process: requests.
 */

static uint64_t
missed(void)
{
	struct rte_eth_stats stats;

	assert_int_equal(rte_eth_stats_get(PORT, &stats), 0);
	return stats.imissed;
}

static void
primary_process_reads_the_registers(void **state)
{
	struct rte_eth_dev *dev = &rte_eth_devices[PORT];
	struct rte_eth_link link;

	begin(1, 1, NULL);
	secondary = true;
	*reg(IGB_MPC) = 3;
	*reg(IGB_TPT) = 4;
	assert_int_equal(missed(), 3);
	assert_int_equal(eal.requests, 1);
	assert_int_equal(*reg(IGB_TPT), 4); /* not part of the basic statistics */
	assert_int_equal(igb_stats_collect(dev, false), 0);
	assert_int_equal(*reg(IGB_TPT), 0);
	*reg(IGB_MPC) = 2;
	assert_int_equal(missed(), 5);
	assert_int_equal(rte_eth_stats_reset(PORT), 0);
	assert_int_equal(missed(), 0);
	assert_int_equal(rte_eth_link_get_nowait(PORT, &link), 0);
	assert_int_equal(link.link_status, RTE_ETH_LINK_UP);
	assert_int_equal(eal.op, IGB_MP_LINK);
	fake.no_link = true;
	assert_int_equal(rte_eth_link_get_nowait(PORT, &link), 0);
	assert_int_equal(link.link_status, RTE_ETH_LINK_DOWN);
	assert_int_equal(igb_mp_ask(dev, IGB_MP_LINK + 1), -ENOTSUP);
}

/* Answer a request of `len` bytes by hand. @return the result in the reply */
static int
answer_to(uint16_t port_id, int len)
{
	struct rte_mp_msg msg = { .name = IGB_DRIVER_NAME, .len_param = len }, reply;
	struct {
		uint32_t op;
		uint16_t port_id;
	} q = { IGB_MP_STATS, port_id };
	int32_t ret;

	memcpy(msg.param, &q, sizeof(q));
	eal.to = &reply;
	assert_int_equal(answer(&msg, "peer"), 5);
	assert_int_equal(reply.len_param, sizeof(ret));
	memcpy(&ret, reply.param, sizeof(ret));
	return ret;
}

static void
invalid_requests_are_refused(void **state)
{
	assert_int_equal(answer_to(PORT, 8), 0);
	assert_int_equal(answer_to(PORT, 7), -EINVAL);
	assert_int_equal(answer_to(PORT, 9), -EINVAL);
	assert_int_equal(answer_to(PORT + 1, 8), -ENODEV);
	assert_int_equal(answer_to(RTE_MAX_ETHPORTS, 8), -ENODEV);
	assert_int_equal(answer_to(UINT16_MAX, 8), -ENODEV);
	/* A port that is closed. */
	assert_int_equal(igb_ethdev_remove(&fake.device), 0);
	assert_int_equal(answer_to(PORT, 8), -ENODEV);
}

static void
request_without_an_answer_is_an_error(void **state)
{
	struct rte_eth_dev *dev = &rte_eth_devices[PORT];

	secondary = true;
	eal.silent = true;
	log_begin();
	assert_int_equal(igb_mp_ask(dev, IGB_MP_STATS), -EIO);
	eal.silent = false;
	eal.nb_received = 0;
	assert_int_equal(igb_mp_ask(dev, IGB_MP_STATS), -EIO);
	eal.nb_received = 2;
	assert_int_equal(igb_mp_ask(dev, IGB_MP_STATS), -EIO);
	eal.nb_received = 1;
	eal.len_off = 1;
	assert_int_equal(igb_mp_ask(dev, IGB_MP_STATS), -EIO);
	assert_int_equal(log_end("the primary process does not answer"), 4);
	eal.len_off = 0;
	log_begin();
	assert_int_equal(igb_mp_ask(dev, IGB_MP_LINK + 1), -ENOTSUP);
	assert_int_equal(igb_mp_ask(dev, IGB_MP_STATS), 0);
	assert_int_equal(log_end("does not answer"), 0);
}

/* The statistics of the primary process are those of its last read: no answer, no values. */
static void
statistics_need_an_answer(void **state)
{
	struct rte_eth_dev *dev = &rte_eth_devices[PORT];
	struct rte_eth_xstat all[64];
	struct rte_eth_stats stats;
	const uint64_t id = 0;
	uint64_t value = 7;
	int n;

	begin(1, 1, NULL);
	n = igb_xstats_get(dev, NULL, 0);
	assert_in_range(n, 1, RTE_DIM(all));
	memset(all, 0xFF, sizeof(all));
	secondary = true;
	eal.silent = true;
	assert_int_equal(rte_eth_stats_get(PORT, &stats), -EIO);
	assert_int_equal(igb_xstats_get(dev, all, n), -EIO);
	assert_int_equal(all[0].value, UINT64_MAX);
	assert_int_equal(igb_xstats_get_by_id(dev, &id, &value, 1), -EIO);
	assert_int_equal(value, 7);
	assert_int_equal(rte_eth_stats_reset(PORT), -EIO);
}

/*
 * The link.
 */

static unsigned int status_reads, up_at_read;

/* The read of STATUS with the number up_at_read finds the link up. */
static uint32_t
read_status(void *dev, uint32_t at)
{
	if (at == IGB_STATUS && ++status_reads == up_at_read)
		fake.no_link = false;
	return fake_read32(dev, at);
}

static void
link_is_waited_for_while_it_can_come_up(void **state)
{
	struct rte_eth_dev *dev = &rte_eth_devices[PORT];
	struct igb_adapter *ad = igb_adapter_of(dev);
	static struct igb_bus_ops counts;

	begin(1, 1, NULL);
	fake.no_link = true;
	assert_int_equal(igb_link_update(dev, 0), 0);
	counts = fake_ops;
	counts.read32 = read_status;
	ad->hw.bus = &counts;
	status_reads = 0;
	up_at_read = 3;
	assert_int_equal(igb_link_update(dev, 1), 0);
	assert_int_equal(status_reads, 3);
	assert_int_equal(dev->data->dev_link.link_status, RTE_ETH_LINK_UP);
	/* Without waiting, one read decides. */
	fake.no_link = true;
	status_reads = 0;
	assert_int_equal(igb_link_update(dev, 0), 0);
	assert_int_equal(status_reads, 1);
	assert_int_equal(igb_link_update(dev, 0), -1);
	ad->hw.bus = &fake_ops;

	/* The link of a stopped port, or of a lost device, does not come up. */
	ad->link_on = false;
	assert_int_equal(igb_link_update(dev, 1), -1);
	ad->link_on = true;
	ad->hw.lost = true;
	assert_int_equal(igb_link_update(dev, 1), -1);
	ad->hw.lost = false;
}

/* It may take seconds to come up, or have no partner. */
static void
start_does_not_wait_for_the_link(void **state)
{
	struct rte_eth_dev *dev = &rte_eth_devices[PORT];
	struct igb_adapter *ad = igb_adapter_of(dev);
	static struct igb_bus_ops counts;

	configure(1, 1, NULL);
	counts = fake_ops;
	counts.read32 = read_status;
	ad->hw.bus = &counts;
	fake.no_link = true;
	status_reads = 0;
	up_at_read = 50;
	assert_int_equal(rte_eth_dev_start(PORT), 0);
	assert_int_equal(dev->data->dev_link.link_status, RTE_ETH_LINK_DOWN);
	assert_in_range(status_reads, 1, up_at_read - 1);
	ad->hw.bus = &fake_ops;
}

/* Between two reads, or two requests, the thread sleeps: a link takes seconds to come up. */
static void
wait_for_the_link_sleeps(void **state)
{
	struct rte_eth_dev *dev = &rte_eth_devices[PORT];
	unsigned int k;

	begin(1, 1, NULL);
	for (k = 0; k <= 1; k++) {
		secondary = k == 1;
		fake.no_link = true;
		eal.awake_at = 3;
		eal.sleeps = eal.requests = 0;
		igb_link_update(dev, 0);
		assert_int_equal(eal.sleeps, 0);
		assert_int_equal(igb_link_update(dev, 1), 0);
		assert_int_equal(eal.sleeps, 3);
		assert_int_equal(eal.requests, secondary ? 1 + 4 : 0);
		assert_int_equal(dev->data->dev_link.link_status, RTE_ETH_LINK_UP);
	}
	eal.awake_at = 0;
}

static void
link_is_waited_for_by_requests(void **state)
{
	struct rte_eth_dev *dev = &rte_eth_devices[PORT];
	struct igb_adapter *ad = igb_adapter_of(dev);

	begin(1, 1, NULL);
	fake.no_link = true;
	assert_int_equal(igb_link_update(dev, 0), 0);
	secondary = true;
	eal.up_at = 3;
	assert_int_equal(igb_link_update(dev, 1), 0);
	assert_int_equal(eal.requests, 3);
	assert_int_equal(dev->data->dev_link.link_status, RTE_ETH_LINK_UP);
	/* Up already. */
	assert_int_equal(igb_link_update(dev, 1), 0);
	assert_int_equal(eal.requests, 4);
	/* One request, if the link cannot come up, or nobody waits, or nobody answers. */
	fake.no_link = true;
	assert_int_equal(igb_link_update(dev, 0), 0);
	assert_int_equal(eal.requests, 5);
	ad->link_on = false;
	assert_int_equal(igb_link_update(dev, 1), 0);
	assert_int_equal(eal.requests, 6);
	ad->link_on = true;
	ad->hw.lost = true;
	assert_int_equal(igb_link_update(dev, 1), 0);
	assert_int_equal(eal.requests, 7);
	ad->hw.lost = false;
	eal.silent = true;
	assert_int_equal(igb_link_update(dev, 1), -EIO);
	assert_int_equal(eal.requests, 8);
}

#define ON_SHARED(name) cmocka_unit_test_setup_teardown(name, shared_new, shared_gone)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(requests_are_registered_once, eal_new),
		cmocka_unit_test_setup(probe_that_fails_leaves_nothing, eal_new),
		cmocka_unit_test_setup(full_node_is_replaced_by_any, eal_new),
		cmocka_unit_test_setup(semaphore_of_other_software_is_waited_for, eal_new),
		cmocka_unit_test_setup(failed_read_leaves_the_value_and_no_semaphore, eal_new),
		cmocka_unit_test_setup(reason_names_the_memory_that_is_missing, eal_new),
		cmocka_unit_test_setup(other_devices_are_left_to_other_drivers, eal_new),
		cmocka_unit_test_setup(removal_of_no_port_is_no_error, eal_new),
		cmocka_unit_test_setup(only_direct_mode_is_shared, eal_new),
		ON_SHARED(port_has_what_ethdev_asks_for),
		ON_SHARED(port_that_can_be_shared_is_released_again),
		ON_SHARED(attached_port_polls_the_same_queues),
		ON_SHARED(port_with_other_doorbells_is_refused),
		ON_SHARED(removal_releases_the_port_of_this_process_alone),
		ON_SHARED(primary_process_reads_the_registers),
		ON_SHARED(invalid_requests_are_refused),
		ON_SHARED(request_without_an_answer_is_an_error),
		ON_SHARED(statistics_need_an_answer),
		ON_SHARED(link_is_waited_for_while_it_can_come_up),
		ON_SHARED(start_does_not_wait_for_the_link),
		ON_SHARED(wait_for_the_link_sleeps),
		ON_SHARED(link_is_waited_for_by_requests),
	};

	alarm(250); /* an assertion that fails in a request leaves its lock held */
	fake_start_eal(argc, argv);
	return cmocka_run_group_tests_name("igb_probe", tests, NULL, NULL);
}
