/* A loaded model ready to embed rows. */
#ifndef NKE_RUN_MODEL_SESSION_H
#define NKE_RUN_MODEL_SESSION_H

#include "run/model.h"
#include "run/session.h"

/* Config, network, preprocessing and embedding of a model read from `path`: features, or the exact kernel with the
 * training rows that are in the model, which *as_they_are reads without further preprocessing. session->comm is set
 * before; preprocess is the model's, targets are left NULL. Collective. NKE_ERR_DATA: a corrupt model. */
nke_status nke_model_session(const char *path, const nke_model *model, nke_session *session,
                             nke_preprocess **as_they_are);

/* Close what the function above opened, and the session's data sets. Local. */
void nke_model_session_close(nke_session *session, nke_preprocess **as_they_are);

#endif
