/* libcrypto's headers. One of its types is called like one of our error codes; it is given another
 * name while the headers are read. */
#ifndef CRYPTO_OPENSSL_H
#define CRYPTO_OPENSSL_H

#include "base/error.h"

#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#undef ERR_STATE

#endif
