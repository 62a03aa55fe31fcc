import { Batches } from './Batches'
import { Catalog } from './Catalog'
import { Console } from './Console'
import { Docs } from './Docs'
import { Playground } from './Playground'
import { Request } from './Request'
import { Requests } from './Requests'
import { Retention } from './Retention'
import { Start } from './Start'
import { Statistics } from './Statistics'
import { StatusBoard } from './StatusBoard'

// All pages of the console in one piece; the public landing page does not load it.
export const rooms = {
  Batches,
  Catalog,
  Console,
  Docs,
  Playground,
  Request,
  Requests,
  Retention,
  Start,
  Statistics,
  StatusBoard,
}
