/* OpenSSL's errors as sentences. */
#include "reel/tls/tls.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>

struct sentence {
    long code;
    const char *text_z;
};

static const struct sentence of_certificates[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, "the certificate has expired"},
    {X509_V_ERR_CERT_NOT_YET_VALID, "the certificate is not valid yet"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "the certificate is signed by itself"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "the certificate's authority is not trusted"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "the certificate's authority is not known"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "the certificate's authority is not known"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "the certificate's authority is not known"},
    {X509_V_ERR_HOSTNAME_MISMATCH, "the certificate is for another name"},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, "the certificate is for another address"},
    {X509_V_ERR_INVALID_PURPOSE, "the certificate is for another purpose"},
    {X509_V_ERR_CERT_REVOKED, "the certificate was revoked"},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, "the certificate's signature is wrong"},
    {0, NULL},
};

static const struct sentence of_protocol[] = {
    {SSL_R_NO_SHARED_CIPHER, "there is no cipher in common"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "there is no version of TLS in common"},
    {SSL_R_VERSION_TOO_LOW, "there is no version of TLS in common"},
    {SSL_R_WRONG_SSL_VERSION, "there is no version of TLS in common"},
    {SSL_R_WRONG_VERSION_NUMBER, "the peer does not speak TLS"},
    {SSL_R_HTTP_REQUEST, "the peer speaks HTTP, not TLS"},
    {SSL_R_HTTPS_PROXY_REQUEST, "the peer speaks HTTP, not TLS"},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the peer has no certificate"},
    {SSL_R_NO_APPLICATION_PROTOCOL, "there is no application protocol in common"},
    {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, "a record was changed on the way"},
    {SSL_R_UNEXPECTED_EOF_WHILE_READING, "the peer ended without saying so"},
    {SSL_R_NO_RENEGOTIATION, "the peer does not renegotiate"},
    {SSL_R_NO_CERTIFICATE_SET, "there is no certificate to show"},
    {0, NULL},
};

static const char *find(const struct sentence *table, long code)
{
    while (table->text_z && table->code != code)
        table++;
    return table->text_z;
}

/* What is below 1000 is ours, what is above is the peer's alert. */
static void describe_reason(int reason, char *text_z, size_t size)
{
    const char *known_z = find(of_protocol, reason);
    if (known_z)
        snprintf(text_z, size, "%s", known_z);
    else if (reason > SSL_AD_REASON_OFFSET && reason <= SSL_AD_REASON_OFFSET + UINT8_MAX)
        snprintf(text_z, size, "the peer refused: %s",
                 SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
    else {
        const char *reason_z = ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, reason));
        snprintf(text_z, size, "the handshake or a record was wrong: %s",
                 reason_z ? reason_z : "unknown reason");
    }
}

void reel_tls_describe(const SSL *ssl, char *text_z, size_t size)
{
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_REASON(code);
    long verdict = SSL_get_verify_result(ssl);
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        const char *known_z = find(of_certificates, verdict);
        if (known_z)
            snprintf(text_z, size, "%s", known_z);
        else
            snprintf(text_z, size, "the certificate is not accepted: %s",
                     X509_verify_cert_error_string(verdict));
    } else {
        describe_reason(reason, text_z, size);
    }
    ERR_clear_error();
}
