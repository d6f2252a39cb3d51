/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Registers of the edu device (QEMU's docs/specs/edu), as far as they are about DMA and
 * interrupts. All lie in BAR 0. The driver and the software device share this.
 */

#ifndef EDU_REGS_H
#define EDU_REGS_H

#define EDU_VENDOR_ID 0x1234
#define EDU_DEVICE_ID 0x11e8
#define EDU_BAR_SIZE  0x100000

#define EDU_ID              0x00 /* 0xRRrr00ed: RR.rr is the version */
#define EDU_ID_MASK         0x0000ffffu
#define EDU_ID_VALUE        0x000000edu
#define EDU_LIVENESS        0x04 /* reads as the inverse of what was written */
#define EDU_IRQ_STATUS      0x24 /* causes */
#define EDU_IRQ_RAISE       0x60 /* causes to add */
#define EDU_IRQ_ACKNOWLEDGE 0x64 /* causes to take away */
#define EDU_DMA_SOURCE      0x80 /* 64 bits, as the next three; the upper half is optional */
#define EDU_DMA_DESTINATION 0x88
#define EDU_DMA_COUNT       0x90 /* bytes */
#define EDU_DMA_COMMAND     0x98

#define EDU_IRQ_DMA         0x100u /* the cause: a transfer has ended */

#define EDU_DMA_RUN         0x1u /* start; reads as 1 until the transfer has ended */
#define EDU_DMA_TO_MEMORY   0x2u /* from the device's buffer to memory; else the other way */
#define EDU_DMA_INTERRUPT   0x4u /* raise EDU_IRQ_DMA at the end */

/* The device's own buffer, one end of each transfer, by the address that it has for the device. */
#define EDU_BUFFER          0x40000
#define EDU_BUFFER_SIZE     4096

#define EDU_ADDRESS_BITS    28 /* of a bus address; the upper ones are lost */

#endif /* EDU_REGS_H */
