// Where the servers of this test run are; set by global-setup.
function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set: run through jest's integration project`);
  return value;
}

export const tenantsAdminUrl = (): string => required('LEASEHOLD_TEST_TENANTS_ADMIN_URL');
export const platformRootUrl = (): string => required('LEASEHOLD_TEST_PLATFORM_ROOT_URL');
export const platformAppUrl = (): string => required('LEASEHOLD_TEST_PLATFORM_APP_URL');
export const platformOwnerUrl = (): string => required('LEASEHOLD_TEST_PLATFORM_OWNER_URL');
export const temporalAddress = (): string => required('LEASEHOLD_TEST_TEMPORAL_ADDRESS');
export const workflowBundlePath = (): string => required('LEASEHOLD_TEST_WORKFLOW_BUNDLE');
