/* SPDX-License-Identifier: Apache-2.0 */
/* relacy.h stands for it. */
