/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the controller without its data path (drivers/net/igb/igb_hw.c) on the fake device of
 * igb_fake.h: waits, reset, semaphores, NVM, PHY and link of each kind of controller, if the device
 * does not do its part, or is removed in between.
 *
 * No port exists. Each case has a structure igb_hw of its own, whose bus changes what registers
 * read as, and counts the reads.
 */

#include "igb_fake.h"

#define NEVER 0

static struct igb_hw hw;
static struct igb_bus_ops ops;

/* The sleeps of the driver, in microseconds: the first of them. */
static struct {
	unsigned int us[256], nr;
} sleeps;

/* The bus: what differs from the fake device. */
static struct {
	uint32_t at, set, clear;   /* the register `at` reads with these bits set or cleared */
	uint32_t remove_at;        /* a read of this register finds the device removed */
	unsigned int reads;        /* of registers */
	unsigned int remove;       /* the read of this number finds the device removed; NEVER */
	unsigned int late;         /* reads after the bus reported the removal */
	unsigned int config_reads; /* of configuration space */
	unsigned int no_config;    /* the read of this number fails; NEVER */
	unsigned int commands;     /* to the PHY */
	unsigned int no_phy;       /* the command of this number fails; NEVER */
	unsigned int last_at;      /* the read of this number no longer finds `set`; NEVER */
	bool reported;             /* the bus has reported the removal */
	bool resetting;            /* the device must not be read yet */
	unsigned int early;        /* reads nevertheless */
} bus;

static uint32_t
read32(void *dev, uint32_t at)
{
	bus.late += bus.reported;
	bus.early += bus.resetting;
	if (++bus.reads == bus.remove || (bus.remove_at != 0 && at == bus.remove_at))
		fake.dead = true;
	if (fake.dead)
		return UINT32_MAX;
	if (bus.reads == bus.last_at)
		bus.set = 0;
	if (at == bus.at)
		return (fake_read32(dev, at) & ~bus.clear) | bus.set;
	return fake_read32(dev, at);
}

static void
write32(void *dev, uint32_t at, uint32_t value)
{
	if (at == IGB_CTRL)
		bus.resetting = (value & IGB_CTRL_RST) != 0;
	if (at == IGB_MDIC)
		fake.no_phy = ++bus.commands == bus.no_phy;
	fake_write32(dev, at, value);
}

/* The linker replaces this function (--wrap). */
void __real_rte_delay_us_sleep(unsigned int us);
void __wrap_rte_delay_us_sleep(unsigned int us);

void
__wrap_rte_delay_us_sleep(unsigned int us)
{
	if (us >= 1000)
		bus.resetting = false;
	if (sleeps.nr < RTE_DIM(sleeps.us))
		sleeps.us[sleeps.nr++] = us;
	__real_rte_delay_us_sleep(us);
}

static bool
alive(void *dev)
{
	bus.reported = bus.reported || fake.dead;
	return !fake.dead;
}

static int
read_config(void *dev, void *buf, size_t len, uint32_t offset)
{
	return ++bus.config_reads == bus.no_config ? -EIO : fake_read_config(dev, buf, len, offset);
}

/** Begin with a new device, of the kind that has this device ID. */
static void
device(uint16_t id)
{
	fake_init();
	memset(&bus, 0, sizeof(bus));
	sleeps.nr = 0;
	ops = fake_ops;
	ops.read32 = read32;
	ops.write32 = write32;
	ops.alive = alive;
	ops.read_config = read_config;
	hw = (struct igb_hw){ .name = "fake0", .bus = &ops };
	hw.ctl = igb_controller_find(IGB_VENDOR_ID_INTEL, id);
	assert_non_null(hw.ctl);
	assert_int_equal(hw.ctl->device_id, id);
}

static int
new_82576(void **state)
{
	device(IGB_DEV_ID_82576);
	return 0;
}

/* A case leaves no semaphore, and has not used what firmware shares without one. */
static int
nothing_held(void **state)
{
	assert_int_equal(fake.unowned, 0);
	assert_int_equal(bus.early, 0); /* for 1 ms after a reset */
	if (!fake.dead)
		assert_int_equal(fake.regs[IGB_SWSM / 4] & (IGB_SWSM_SMBI | IGB_SWSM_SWESMBI), 0);
	return 0;
}

static void
controllers_have_their_properties(void **state)
{
	static const struct {
		uint16_t id;
		uint8_t nb_queues;
		bool by_pair, copper, tested;
	} t[] = {
		{ IGB_DEV_ID_82576, 16, false, true, true },
		{ IGB_DEV_ID_82576_NS, 16, false, true, false },
		{ IGB_DEV_ID_82576_QUAD_COPPER, 16, false, true, false },
		{ IGB_DEV_ID_82576_QUAD_COPPER_ET2, 16, false, true, false },
		{ IGB_DEV_ID_82576_FIBER, 16, false, false, false },
		{ IGB_DEV_ID_82576_SERDES, 16, false, false, false },
		{ IGB_DEV_ID_82576_NS_SERDES, 16, false, false, false },
		{ IGB_DEV_ID_82576_SERDES_QUAD, 16, false, false, false },
		{ IGB_DEV_ID_82580_COPPER, 8, true, true, false },
		{ IGB_DEV_ID_I350_COPPER, 8, true, true, false },
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(t); i++) {
		device(t[i].id);
		assert_int_equal(hw.ctl->nb_queues, t[i].nb_queues);
		assert_int_equal(hw.ctl->nb_rar, 24);
		assert_int_equal(hw.ctl->ivar_by_pair, t[i].by_pair);
		assert_int_equal(hw.ctl->copper, t[i].copper);
		assert_int_equal(hw.ctl->tested, t[i].tested);
	}
	assert_null(igb_controller_find(IGB_VENDOR_ID_INTEL, 0x1234));
	assert_null(igb_controller_find(IGB_VENDOR_ID_INTEL + 1, IGB_DEV_ID_82576));
}

/* A bus that reports the device again does not make up for what was missed. */
static void
lost_device_stays_lost(void **state)
{
	assert_true(igb_hw_alive(&hw));
	fake.dead = true;
	assert_false(igb_hw_alive(&hw));
	fake.dead = false;
	assert_false(igb_hw_alive(&hw));
	assert_int_equal(igb_rd(&hw, IGB_STATUS), UINT32_MAX);
	assert_int_equal(bus.reads, 0);
	igb_hw_release(&hw);
	igb_wr(&hw, IGB_VET, 1);
	assert_int_equal(fake.nr_writes, 0);
}

/*
 * Waiting.
 */

/* A short wait is not prolonged much, and a long one takes little of the CPU. */
static void
wait_sleeps_twice_as_long_each_time_up_to_1_ms(void **state)
{
	static const unsigned int doubled[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512 };
	unsigned int i;

	bus.at = IGB_VET;
	bus.set = 1;
	bus.last_at = 15;
	assert_int_equal(igb_hw_poll(&hw, IGB_VET, 1, 0, 1000000000), 0);
	assert_int_equal(bus.reads, 15);
	assert_int_equal(sleeps.nr, 14);
	for (i = 0; i < sleeps.nr; i++)
		assert_int_equal(sleeps.us[i], i < RTE_DIM(doubled) ? doubled[i] : 1000);
}

static void
no_wait_sleeps_if_the_register_is_right_or_the_device_is_gone(void **state)
{
	assert_int_equal(igb_hw_poll(&hw, IGB_VET, 1, 0, 1000000000), 0);
	bus.remove = 2;
	assert_int_equal(igb_hw_poll(&hw, IGB_VET, 1, 1, 1000000000), -ENODEV);
	assert_int_equal(sleeps.nr, 0);
}

/* Software gets 200 ms to release a resource: nobody needs it longer. */
static void
resource_in_use_is_asked_for_each_ms(void **state)
{
	uint16_t word;
	unsigned int i;

	*reg(IGB_SW_FW_SYNC) = IGB_SW_FW_EEP;
	assert_int_equal(igb_nvm_read(&hw, 2, &word), 0);
	assert_int_equal(sleeps.nr, 199);
	for (i = 0; i < sleeps.nr; i++)
		assert_int_equal(sleeps.us[i], 1000);
}

/*
 * Reset.
 */

static void
reset_ends_when_the_device_is_removed(void **state)
{
	unsigned int n, reads;

	assert_int_equal(igb_hw_reset(&hw), 0);
	reads = bus.reads;
	assert_in_range(reads, 8, 100);
	for (n = 1; n <= reads; n++) {
		device(IGB_DEV_ID_82576);
		bus.remove = n;
		log_begin();
		if (igb_hw_reset(&hw) != -ENODEV)
			fail_msg("removed at read %u of %u", n, reads);
		assert_int_equal(log_end(" ms"), 0); /* it did not wait in vain */
		assert_true(hw.lost);
		assert_int_equal(bus.late, 0);
	}
	assert_int_equal(igb_hw_reset(&hw), -ENODEV);
}

/*
 * If a device does not do its part, only a reset that does not end is a failure: boards without
 * management firmware, or without an NVM, never set the other bits.
 */
static void
reset_fails_only_if_it_does_not_end(void **state)
{
	static const struct {
		uint32_t at, set, clear;
		uint8_t lan_id;
		int ret;
		const char *line;
	} t[] = {
		{ IGB_VET, 0, 0, 0, 0, NULL },
		{ IGB_STATUS, IGB_STATUS_GIO_MASTER_EN, 0, 0, 0, "pending after 80 ms" },
		{ IGB_CTRL, IGB_CTRL_RST, 0, 0, -ETIMEDOUT, "not end within 100 ms" },
		{ IGB_EECD, 0, IGB_EECD_AUTO_RD, 0, 0, "AUTO_RD not set" },
		{ IGB_EEMNGCTL, 0, IGB_EEMNGCTL_CFG_DONE0, 0, 0, "CFG_DONE not set" },
		{ IGB_EEMNGCTL, 0, IGB_EEMNGCTL_CFG_DONE1, 1, 0, "CFG_DONE not set" },
		{ IGB_EEMNGCTL, 0, IGB_EEMNGCTL_CFG_DONE1, 0, 0, NULL },
		{ IGB_EEMNGCTL, 0, IGB_EEMNGCTL_CFG_DONE0, 1, 0, NULL },
	};
	const int level = rte_log_get_level(igb_logtype_init);
	uint32_t v[4];
	unsigned int i;

	rte_log_set_level(igb_logtype_init, RTE_LOG_DEBUG);
	for (i = 0; i < RTE_DIM(t); i++) {
		device(IGB_DEV_ID_82576);
		bus.at = t[i].at;
		bus.set = t[i].set;
		bus.clear = t[i].clear;
		hw.lan_id = t[i].lan_id;
		*reg(IGB_IMS) = *reg(IGB_EIMS) = *reg(IGB_ICR) = 7;
		*reg(IGB_TCTL) = IGB_TCTL_EN;
		log_begin();
		assert_int_equal(igb_hw_reset(&hw), t[i].ret);
		rte_openlog_stream(NULL);
		fclose(log_file);
		if (t[i].line == NULL ? log_len != 0 : strstr(log_text, t[i].line) == NULL)
			fail_msg("device %u: %s", i, log_text);
		free(log_text);
		/* The transmitter ends, and pads short frames of a driver that comes later. */
		assert_int_equal(writes_to(IGB_TCTL, v, 4), 1);
		assert_int_equal(v[0], IGB_TCTL_PSP);
		assert_true(writes_to(IGB_CTRL, v, 4) >= 2);
		assert_true(v[1] & IGB_CTRL_RST);
		assert_int_equal(*reg(IGB_IMS) | *reg(IGB_EIMS) | *reg(IGB_ICR), 0);
		assert_int_equal(!(*reg(IGB_CTRL_EXT) & IGB_CTRL_EXT_DRV_LOAD), t[i].ret != 0);
	}
	rte_log_set_level(igb_logtype_init, level);
}

/*
 * Semaphores.
 */

/* Firmware that never grants SWESMBI: software is not locked out as well. */
static void
semaphore_that_firmware_holds_is_not_taken(void **state)
{
	uint16_t word = 7;

	bus.at = IGB_SWSM;
	bus.clear = IGB_SWSM_SWESMBI;
	assert_int_equal(igb_nvm_read(&hw, 2, &word), -ETIMEDOUT);
	assert_int_equal(word, 7);
	assert_int_equal(*reg(IGB_SWSM), 0);
	assert_int_equal(*reg(IGB_EERD), 0);
	assert_int_equal(*reg(IGB_SW_FW_SYNC), 0);
	assert_int_equal(igb_phy_write(&hw, 2, 7), -ETIMEDOUT);
	assert_int_equal(bus.commands, 0);
}

/* Software may have died, firmware has not. The other bits belong to others. */
static void
resource_is_taken_over_from_software_alone(void **state)
{
	static const struct {
		uint32_t sync;
		int ret;
	} t[] = {
		{ IGB_SW_FW_EEP, 0 },
		{ IGB_SW_FW_EEP | IGB_SW_FW_PHY1, 0 },
		{ IGB_SW_FW_EEP << IGB_SW_FW_FW_SHIFT, -ETIMEDOUT },
		{ IGB_SW_FW_EEP | IGB_SW_FW_EEP << IGB_SW_FW_FW_SHIFT, -ETIMEDOUT },
	};
	uint32_t v[4];
	uint16_t word;
	unsigned int i;

	for (i = 0; i < RTE_DIM(t); i++) {
		device(IGB_DEV_ID_82576);
		*reg(IGB_SW_FW_SYNC) = t[i].sync;
		word = 7;
		log_begin();
		assert_int_equal(igb_nvm_read(&hw, 2, &word), t[i].ret);
		assert_int_equal(log_end("SW_FW_SYNC"), 1);
		assert_int_equal(word, t[i].ret == 0 ? fake.nvm[2] : 7);
		assert_int_equal(writes_to(IGB_SW_FW_SYNC, v, 4), t[i].ret == 0 ? 2 : 0);
		assert_int_equal(writes_to(IGB_EERD, v, 4), t[i].ret == 0);
		assert_int_equal(*reg(IGB_SW_FW_SYNC),
				t[i].ret == 0 ? t[i].sync & ~IGB_SW_FW_EEP : t[i].sync);
		assert_int_equal(*reg(IGB_SWSM), 0);
	}
	/* Bits of other resources make nobody wait. */
	device(IGB_DEV_ID_82576);
	*reg(IGB_SW_FW_SYNC) = IGB_SW_FW_PHY0 | IGB_SW_FW_MAC_CSR << IGB_SW_FW_FW_SHIFT;
	log_begin();
	assert_int_equal(igb_nvm_read(&hw, 2, &word), 0);
	assert_int_equal(log_end("net_gantry_igb"), 0);
	assert_int_equal(*reg(IGB_SW_FW_SYNC),
			IGB_SW_FW_PHY0 | IGB_SW_FW_MAC_CSR << IGB_SW_FW_FW_SHIFT);
}

/* Each port of a device has its own PHY. */
static void
phy_of_a_port_has_its_own_semaphore(void **state)
{
	static const uint32_t owner[] = { IGB_SW_FW_PHY0, IGB_SW_FW_PHY1 };
	uint32_t v[4];
	uint16_t value;

	for (hw.lan_id = 0; hw.lan_id < RTE_DIM(owner); hw.lan_id++) {
		fake.nr_writes = 0;
		fake.phy[5] = 0x1234;
		assert_int_equal(igb_phy_read(&hw, 5, &value), 0);
		assert_int_equal(value, 0x1234);
		assert_int_equal(writes_to(IGB_SW_FW_SYNC, v, 4), 2);
		assert_int_equal(v[0], owner[hw.lan_id]);
		assert_int_equal(v[1], 0);
		assert_int_equal(writes_to(IGB_MDIC, v, 4), 1);
		assert_int_equal(v[0],
				IGB_MDIC_OP_READ | 5 << IGB_MDIC_REG_SHIFT |
						IGB_PHY_ADDR << IGB_MDIC_PHY_SHIFT);
		/* The fake device knows the owner of the first port's PHY. */
		assert_int_equal(fake.unowned, hw.lan_id);
	}
	fake.unowned = 0;
}

static void
accesses_end_when_the_device_is_removed(void **state)
{
	/* Later reads release the semaphore. */
	const unsigned int up_to_value = 7;
	unsigned int n, reads, phy;
	uint16_t value;
	int ret;

	for (phy = 0; phy <= 1; phy++) {
		device(IGB_DEV_ID_82576);
		assert_int_equal(phy ? igb_phy_read(&hw, 2, &value) : igb_nvm_read(&hw, 2, &value),
				0);
		reads = bus.reads;
		assert_in_range(reads, up_to_value + 1, 100);
		for (n = 1; n <= reads; n++) {
			device(IGB_DEV_ID_82576);
			bus.remove = n;
			value = 7;
			ret = phy ? igb_phy_read(&hw, 2, &value) : igb_nvm_read(&hw, 2, &value);
			if ((n <= up_to_value) != (ret < 0) || (value == 7) != (ret < 0))
				fail_msg("removed at read %u of %u: %d", n, reads, ret);
			assert_int_equal(bus.late, 0);
		}
	}
}

/*
 * A new device.
 */

static void
no_checksum(void)
{
	fake.nvm[1]++;
}

static void
no_answer(void)
{
	fake.dead = true;
}

static void
group_address(void)
{
	fake.nvm[0] |= 1;
	fake.nvm[IGB_NVM_CHECKSUM]--;
}

static void
zero_address(void)
{
	fake.nvm[IGB_NVM_CHECKSUM] += fake.nvm[0] + fake.nvm[1] + fake.nvm[2];
	fake.nvm[0] = fake.nvm[1] = fake.nvm[2] = 0;
}

static void
no_first_id(void)
{
	bus.no_phy = 1;
}

static void
no_second_id(void)
{
	bus.no_phy = 2;
}

static void
invalid_device_is_refused(void **state)
{
	static const struct {
		void (*provoke)(void);
		int ret;
		unsigned int commands; /* to the PHY */
	} t[] = {
		{ no_answer, -ENODEV, 0 },
		{ no_checksum, -EIO, 0 },
		{ group_address, -EIO, 0 },
		{ zero_address, -EIO, 0 },
		{ no_first_id, -EIO, 1 },
		{ no_second_id, -EIO, 2 },
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(t); i++) {
		device(IGB_DEV_ID_82576);
		t[i].provoke();
		if (igb_hw_init(&hw) != t[i].ret)
			fail_msg("device %u", i);
		assert_int_equal(bus.commands, t[i].commands);
		assert_int_equal(*reg(IGB_SW_FW_SYNC), 0);
	}
}

static void
init_reads_what_identifies_the_port(void **state)
{
	static const struct ids {
		uint32_t id;
		unsigned int lines;
	} t[] = {
		{ IGB_PHY_ID_82576, 0 },
		{ IGB_PHY_ID_82576 ^ 0xF, 0 }, /* another revision */
		{ IGB_PHY_ID_82576 ^ 0x10, 1 },
		{ IGB_PHY_ID_82576 ^ 0x80000000, 1 },
	};
	static const uint8_t addr[] = { 0x02, 0x34, 0x78, 0x56, 0xBC, 0x9A };
	const int level = rte_log_get_level(igb_logtype_init);
	unsigned int i;

	rte_log_set_level(igb_logtype_init, RTE_LOG_INFO);
	for (i = 0; i < RTE_DIM(t); i++) {
		device(IGB_DEV_ID_82576);
		fake.nvm[IGB_NVM_CHECKSUM] += fake.nvm[0] + fake.nvm[1] + fake.nvm[2];
		fake.nvm[0] = 0x3402;
		fake.nvm[1] = 0x5678;
		fake.nvm[2] = 0x9ABC;
		fake.nvm[5] = 0x1A57;
		fake.nvm[IGB_NVM_CHECKSUM] -= 0x3402 + 0x5678 + 0x9ABC + 0x1A57;
		fake.status = i << IGB_STATUS_LAN_ID_SHIFT;
		fake.phy[IGB_PHY_ID1] = t[i].id >> 16;
		fake.phy[IGB_PHY_ID2] = (uint16_t)t[i].id;
		log_begin();
		assert_int_equal(igb_hw_init(&hw), 0);
		assert_int_equal(log_end("is not that of an 82576"), t[i].lines);
		assert_int_equal(hw.phy_id, t[i].id);
		assert_int_equal(hw.lan_id, i);
		assert_int_equal(hw.nvm_version, 0x1A57);
		assert_memory_equal(&hw.perm_addr, addr, sizeof(addr));
		fake.unowned = 0; /* the fake device knows the owner of the first port's PHY */
	}
	rte_log_set_level(igb_logtype_init, level);
}

/* Behind a failing read of configuration space, no capability is assumed. */
static void
unreadable_capability_is_none(void **state)
{
	static const uint32_t values[] = { IGB_VNDR_CAP_SIGNATURE, 10000, 2, 40 };
	unsigned int n, reads, complete = 0;

	for (n = NEVER, reads = 0; n <= reads; n++) {
		device(IGB_DEV_ID_82576);
		fake.config[0x34] = 0x50;
		fake.config[0x50] = IGB_VNDR_CAP_ID;
		fake.config[0x52] = 20;
		memcpy(&fake.config[0x54], values, sizeof(values));
		bus.no_config = n;
		hw.cap_speed = 7;
		igb_hw_identify(&hw);
		if (n == NEVER)
			reads = bus.config_reads;
		complete += hw.has_speed_cap && hw.cap_speed == 10000 && hw.addr_bits == 40;
		assert_int_equal(hw.cap_speed,
				!hw.has_speed_cap                 ? 7 :
						hw.cap_speed == 0 ? 0 :
								    10000);
		assert_true(hw.addr_bits == 64 || hw.addr_bits == 40 || hw.addr_bits == 0);
		/* The list itself, the length and the signature. */
		assert_int_equal(hw.has_speed_cap, n == NEVER || n > 4);
	}
	assert_int_equal(reads, 7);
	assert_int_equal(complete, 1);
}

/* A list that is a ring has an end, whether the capability is in it or not. */
static void
ring_of_capabilities_has_an_end(void **state)
{
	static const uint32_t foreign = 0x12345678;

	fake.config[0x34] = 0x50;
	fake.config[0x50] = IGB_VNDR_CAP_ID;
	fake.config[0x51] = 0x50;
	fake.config[0x52] = 20;
	memcpy(&fake.config[0x54], &foreign, sizeof(foreign));
	igb_hw_identify(&hw);
	assert_false(hw.has_speed_cap);
	assert_int_equal(hw.addr_bits, 64);
	assert_in_range(bus.config_reads, 2, 10000);
	assert_int_equal(igb_cap_find(&ops, NULL, 0x11, 0), 0);
}

/*
 * Link.
 */

/* Without a PHY that the driver knows, nothing negotiates, and MDIC is not used. */
static void
fiber_has_a_link_without_a_phy(void **state)
{
	device(IGB_DEV_ID_82576_FIBER);
	assert_int_equal(igb_hw_init(&hw), 0);
	assert_int_equal(hw.phy_id, 0);
	*reg(IGB_CTRL) = IGB_CTRL_FRCSPD | IGB_CTRL_FRCDPLX;
	assert_int_equal(igb_link_setup(&hw, RTE_ETH_LINK_SPEED_10M), 0);
	assert_int_equal(*reg(IGB_CTRL), IGB_CTRL_SLU | IGB_CTRL_FD);
	assert_int_equal(igb_link_off(&hw), 0);
	assert_int_equal(*reg(IGB_CTRL), IGB_CTRL_FD);
	assert_int_equal(bus.commands, 0);
	assert_int_equal(igb_link_speed_capa(&hw), RTE_ETH_LINK_SPEED_1G);
}

/* The first access to the PHY that fails is the last one. */
static void
failing_phy_access_ends_the_setup(void **state)
{
	unsigned int n;

	assert_int_equal(igb_link_setup(&hw, 0), 0);
	assert_int_equal(bus.commands, 6); /* three registers, read and written */
	for (n = 1; n <= 6; n++) {
		device(IGB_DEV_ID_82576);
		bus.no_phy = n;
		assert_int_equal(igb_link_setup(&hw, 0), -EIO);
		assert_int_equal(bus.commands, n);
	}
	for (n = 1; n <= 2; n++) {
		device(IGB_DEV_ID_82576);
		bus.no_phy = n;
		assert_int_equal(igb_link_off(&hw), -EIO);
		assert_int_equal(bus.commands, n);
	}
}

static void
removed_device_has_no_link(void **state)
{
	bool up = true, full = true;
	uint32_t mbps = 7;

	fake.dead = true;
	igb_link_get(&hw, &up, &mbps, &full);
	assert_false(up);
	assert_true(full);
	assert_int_equal(mbps, 7);
	assert_int_equal(igb_link_setup(&hw, 0), -ENODEV);
	assert_int_equal(igb_link_off(&hw), -ENODEV);
	assert_int_equal(bus.late, 0);
}

#define HW_TEST(name) cmocka_unit_test_setup_teardown(name, new_82576, nothing_held)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		HW_TEST(controllers_have_their_properties),
		HW_TEST(lost_device_stays_lost),
		HW_TEST(wait_sleeps_twice_as_long_each_time_up_to_1_ms),
		HW_TEST(no_wait_sleeps_if_the_register_is_right_or_the_device_is_gone),
		HW_TEST(resource_in_use_is_asked_for_each_ms),
		HW_TEST(reset_ends_when_the_device_is_removed),
		HW_TEST(reset_fails_only_if_it_does_not_end),
		HW_TEST(semaphore_that_firmware_holds_is_not_taken),
		HW_TEST(resource_is_taken_over_from_software_alone),
		HW_TEST(phy_of_a_port_has_its_own_semaphore),
		HW_TEST(accesses_end_when_the_device_is_removed),
		HW_TEST(invalid_device_is_refused),
		HW_TEST(init_reads_what_identifies_the_port),
		HW_TEST(unreadable_capability_is_none),
		HW_TEST(ring_of_capabilities_has_an_end),
		HW_TEST(fiber_has_a_link_without_a_phy),
		HW_TEST(failing_phy_access_ends_the_setup),
		HW_TEST(removed_device_has_no_link),
	};

	fake_start_eal(argc, argv);
	return cmocka_run_group_tests_name("igb_hw", tests, NULL, NULL);
}
