import { Console } from './Console'
import { Events } from './Events'
import { Jobs } from './Jobs'
import { Overview } from './Overview'
import { Plans } from './Plans'
import { Subscriptions } from './Subscriptions'
import { Tenant } from './Tenant'
import { Tenants } from './Tenants'
import { Usage } from './Usage'

// All pages of the console in one piece, which nobody but operators ever loads.
export const rooms = { Console, Events, Jobs, Overview, Plans, Subscriptions, Tenant, Tenants, Usage }
