/* SPDX-License-Identifier: Apache-2.0 */
/* relacy.h has brought assert(). */
