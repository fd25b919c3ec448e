// Subscriptions and secrets in memory, for tests of what the edge itself decides.
import type { NotificationStore, Subscription, SubscriptionFields } from '../notifications/store';

const AT = new Date('2026-01-02T03:04:05.678Z');
const NO_EVENTS = { events: [], cursor: '1-00000000-0000-0000-0000-000000000000', isComplete: true };

export class FakeNotifications implements NotificationStore {
  subscriptions: Subscription[] = [];
  kept: { resourceId: string; email: string | null; webhook: boolean }[] = [];
  optedOut: { addressId: string; scope: string }[] = [];
  roles: Awaited<ReturnType<NotificationStore['emailRoles']>> = ['owner'];

  async keepTargets(resourceId: string, targets: { email: string | null; webhook: boolean }) {
    this.kept.push({ resourceId, ...targets });
  }
  async resourceSecret(resourceId: string) {
    return this.kept.some((kept) => kept.resourceId === resourceId && kept.webhook) ? 'whsec_ofTheResource' : null;
  }
  async rotateResourceSecret() {
    return 'whsec_new';
  }
  async listSubscriptions(teamId: string) {
    return this.subscriptions.filter((subscription) => subscription.team_id === teamId);
  }
  async findSubscription(teamId: string, id: string) {
    return this.subscriptions.find((subscription) => subscription.team_id === teamId && subscription.id === id) ?? null;
  }
  async createSubscription(teamId: string, fields: SubscriptionFields, maximum: number) {
    if (this.subscriptions.length >= maximum) return null;
    const id = `0d5f2f0c-94d4-4f2e-9b07-${String(this.subscriptions.length).padStart(12, '0')}`;
    const subscription: Subscription = {
      id,
      team_id: teamId,
      ...fields,
      created_at: AT,
      updated_at: AT,
      disabled_at: null,
      disabled_reason: null,
    };
    this.subscriptions.push(subscription);
    return { subscription, secret: 'whsec_shownOnce' };
  }
  async updateSubscription(teamId: string, id: string, changes: Parameters<NotificationStore['updateSubscription']>[2]) {
    const found = await this.findSubscription(teamId, id);
    if (found === null) return null;
    const { enabled, ...fields } = changes;
    Object.assign(found, Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)));
    if (enabled !== undefined) found.disabled_at = enabled ? null : AT;
    return found;
  }
  async removeSubscription(teamId: string, id: string) {
    const found = await this.findSubscription(teamId, id);
    this.subscriptions = this.subscriptions.filter((subscription) => subscription !== found);
    return found !== null;
  }
  async rotateSubscriptionSecret(teamId: string, id: string) {
    return (await this.findSubscription(teamId, id)) === null ? null : 'whsec_new';
  }
  async deliveries() {
    return [];
  }
  async retryDelivery() {
    return null;
  }
  async replay() {
    return { queued: 0, page: NO_EVENTS };
  }
  async emailRoles() {
    return this.roles;
  }
  async setEmailRoles(_teamId: string, roles: typeof this.roles) {
    this.roles = roles;
  }
  async optOut(addressId: string, scope: string) {
    this.optedOut.push({ addressId, scope });
  }
  async teamEvents() {
    return NO_EVENTS;
  }
  async currentCursor() {
    return NO_EVENTS.cursor;
  }
}
