/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/tls.h"

#include <errno.h>

#ifndef STEPD_HAS_HIREDIS_SSL

bool tls_is_built_in(void)
{
    return false;
}

int tls_begin(redisContext *redis, const char *host, struct error *ret_error)
{
    (void)redis;
    return error_set(ret_error, ENOTSUP, "this stepd was built without TLS for Redis, which %.60s wants", host);
}

#else

#include <arpa/inet.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>

/* For all connections; made once, never freed. */
static SSL_CTX *trust;

static void make_trust(void)
{
    trust = SSL_CTX_new(TLS_client_method());
    if (trust == NULL || SSL_CTX_set_min_proto_version(trust, TLS1_2_VERSION) != 1 || SSL_CTX_set_default_verify_paths(trust) != 1)
        abort();
    SSL_CTX_set_verify(trust, SSL_VERIFY_PEER, NULL);
}

bool tls_is_built_in(void)
{
    return true;
}

static int expect_host(SSL *ssl, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
    return SSL_set1_host(ssl, host) == 1 ? (int)SSL_set_tlsext_host_name(ssl, host) : 0;
}

int tls_begin(redisContext *redis, const char *host, struct error *ret_error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, make_trust);
    SSL *ssl = SSL_new(trust);
    if (ssl == NULL)
        abort();
    if (expect_host(ssl, host) != 1) {
        SSL_free(ssl);
        return error_set(ret_error, EAGAIN, "TLS: '%.100s' is no name that a certificate can have", host);
    }
    if (redisInitiateSSL(redis, ssl) == REDIS_OK)
        return 0; /* the connection owns it now */
    long verified = SSL_get_verify_result(ssl);
    SSL_free(ssl);
    if (verified != X509_V_OK)
        return error_set(ret_error, EAGAIN, "TLS: the certificate of %.60s can't be trusted: %s", host,
                         X509_verify_cert_error_string(verified));
    return error_set(ret_error, EAGAIN, "TLS with %.60s: %.100s", host, redis->errstr);
}

#endif
