import { expect, test } from 'vitest'
import { dollarsFromNano } from './format'

test.each([
  [0, '$0'],
  [12_345, '$0.0000123'],
  [16_500_000, '$0.0165'],
  [999_900_000, '$1'],
  [16_500_000_000, '$16.50'],
  [-1_200_000_000, '-$1.20'],
  [12_345_678_900_000, '$12,345.68'],
])('%i billionths of a dollar are read to the digit that counts', (nano, shown) => {
  expect(dollarsFromNano(nano, 'en')).toBe(shown)
})
