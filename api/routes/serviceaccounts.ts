// Service accounts of a team: machines that sign in with tokens of an issuer, without a key of ours.
import { auditEntry } from '../audit';
import { authorizeTeam, isUuid, refuseUnknown } from '../auth/authorize';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { defineRoute, type Route } from '../http/route';
import type { ServiceAccount } from '../identity/serviceaccounts';
import { doneAnswer, idParams } from '../schemas/identity';
import { serviceAccountAnswer, serviceAccountBody, serviceAccountsAnswer } from '../schemas/serviceaccounts';

const PATH = '/api/v1/auth/service-accounts';
const TAG = 'Service accounts';

export function serviceAccountRoutes(deps: ApiDeps): Route[] {
  return [createRoute(deps), listRoute(deps), removeRoute(deps)];
}

function itemOf({ id, name, issuer, subject, role, scopes, createdBy, createdAt }: ServiceAccount) {
  return { id, name, issuer, subject, role, scopes, created_by: createdBy, created_at: createdAt.toISOString() };
}

function createRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: PATH,
    operationId: 'create_service_account',
    summary: 'Let a machine act as the team with the tokens of its issuer',
    description:
      'Bind only a subject that your team alone can get tokens for. A subject is bound to one team, and never when it is a person’s.',
    tag: TAG,
    access: 'bearer',
    rate: 'credential_mints',
    body: serviceAccountBody,
    answers: { 201: { description: 'The service account.', schema: serviceAccountAnswer } },
    errors: ['service_account_exists'],
    async handle(request) {
      const { context, body } = request;
      const caller = authorizeTeam(deps, { ...request, action: 'service_account.create' });
      if (!deps.oidc.knows(body.issuer)) {
        throw new ApiError({
          code: 'invalid_request',
          message: 'issuer is not one that this installation trusts. Ask its operator for LEASEHOLD_OIDC_ISSUERS.',
          details: { field: 'issuer' },
        });
      }
      const { teamId, userId } = caller;
      const { issuer, subject, role, scopes } = body;
      const made = await deps.serviceAccounts.create({ ...body, teamId, createdBy: userId }, (id) =>
        auditEntry({
          caller,
          context,
          action: 'service_account.create',
          target: { type: 'service_account', id, teamId },
          result: 'success',
          data: { issuer, subject, role, scopes: scopes.join(' ') },
        }),
      );
      if (made !== null) return { status: 201, body: { ok: true, ...itemOf(made) } };
      throw new ApiError({
        code: 'service_account_exists',
        message: 'This subject is bound already, or is a person’s. Remove the other service account first, or use another subject.',
      });
    },
  });
}

function listRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: PATH,
    operationId: 'list_service_accounts',
    summary: 'The team’s service accounts',
    tag: TAG,
    access: 'bearer',
    answers: { 200: { description: 'Newest first.', schema: serviceAccountsAnswer } },
    errors: [],
    async handle(request) {
      const { teamId } = authorizeTeam(deps, { ...request, action: 'service_account.list' });
      return { status: 200, body: { ok: true, items: (await deps.serviceAccounts.list(teamId)).map(itemOf) } };
    },
  });
}

function removeRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'delete',
    path: `${PATH}/:id`,
    operationId: 'remove_service_account',
    summary: 'Remove a service account: its tokens open nothing from now on',
    tag: TAG,
    access: 'bearer',
    params: idParams,
    answers: { 200: { description: 'Removed.', schema: doneAnswer } },
    errors: ['not_found'],
    async handle(request) {
      const { context, params } = request;
      const caller = authorizeTeam(deps, { ...request, action: 'service_account.revoke' });
      const id = params.id.toLowerCase();
      const target = { type: 'service_account', id, teamId: caller.teamId };
      const entry = auditEntry({ caller, context, action: 'service_account.revoke', target, result: 'success' });
      if (!isUuid(id) || !(await deps.serviceAccounts.remove(caller.teamId, id, entry)))
        throw refuseUnknown(deps, { caller, context, action: 'service_account.revoke', target });
      return { status: 200, body: { ok: true, message: 'The service account is removed.' } };
    },
  });
}
