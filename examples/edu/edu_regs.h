/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Registers of the edu device (docs/specs/edu of QEMU) for DMA and interrupts. All are in BAR 0.
 * The driver and the software device share this file.
 */

#ifndef EDU_REGS_H
#define EDU_REGS_H

#define EDU_VENDOR_ID 0x1234
#define EDU_DEVICE_ID 0x11e8
#define EDU_BAR_SIZE  0x100000

#define EDU_ID              0x00 /* 0xRRrr00ed: version RR.rr */
#define EDU_ID_MASK         0x0000ffffu
#define EDU_ID_VALUE        0x000000edu
#define EDU_LIVENESS        0x04 /* reads as the inverse of the value written */
#define EDU_IRQ_STATUS      0x24 /* pending causes */
#define EDU_IRQ_RAISE       0x60 /* causes to set */
#define EDU_IRQ_ACKNOWLEDGE 0x64 /* causes to clear */
#define EDU_DMA_SOURCE      0x80 /* 64 bits, as the next three; the upper half is optional */
#define EDU_DMA_DESTINATION 0x88
#define EDU_DMA_COUNT       0x90 /* bytes */
#define EDU_DMA_COMMAND     0x98

#define EDU_IRQ_DMA 0x100u /* cause: a transfer has ended */

#define EDU_DMA_RUN       0x1u /* start; reads as 1 until the transfer has ended */
#define EDU_DMA_TO_MEMORY 0x2u /* from the device buffer to memory; else to the buffer */
#define EDU_DMA_INTERRUPT 0x4u /* raise EDU_IRQ_DMA when the transfer ends */

/* Buffer in the device, one end of each transfer, and its address as the device sees it. */
#define EDU_BUFFER      0x40000
#define EDU_BUFFER_SIZE 4096

#define EDU_ADDRESS_BITS 28 /* bits of a bus address; the device ignores higher bits */

#endif /* EDU_REGS_H */
